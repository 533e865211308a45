/** Breakpoints wherever code can come from, and when: macros, includes, the kernel, the vDSO, code made or mapped later, after a restart or execve. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/places.asm";
const source = { name: "places.asm", path: "/w/places.asm" };
const exit = "mov eax, 60\n xor edi, edi\n syscall\n";

/** Runs to the end; the lines (and addresses) of the stops on the way. */
async function stops(client: DapClient): Promise<{ line: number; address: string; source: string }[]> {
  const found: { line: number; address: string; source: string }[] = [];
  for (;;) {
    const stop = await client.run("continue");
    if (stop?.reason === undefined) return found;
    const { line, instructionPointerReference, source: from } = await client.topFrame();
    found.push({ line, address: instructionPointerReference, source: from?.name });
  }
}

async function launched(text: string, breakpoints: number[], more: Record<string, string> = {}, at = source) {
  const client = new DapClient({ [program]: text, ...more });
  const answers: { verified: boolean; line: number; message: string }[] = [];
  await client.launch({ program }, async () => {
    const wanted = breakpoints.map((line) => ({ line }));
    answers.push(...(await client.ok("setBreakpoints", { source: at, breakpoints: wanted })).breakpoints);
  });
  return { client, answers };
}

describe("breakpoints", () => {
  it("on a macro's line stop in each of its expansions", async () => {
    const text = ` bits 64\n global _start\n%macro twice 1\n add %1, %1\n nop\n%endmacro\n_start: mov ebx, 1\n twice ebx\n twice ebx\n twice ebx\n${exit}`;
    const { client, answers } = await launched(text, [8, 9, 10]);
    expect(answers.every(({ verified }) => verified)).toBe(true);
    const met = await stops(client);
    expect(new Set(met.map(({ address }) => address)).size).toBe(3);
    // and on a line of the macro's body, in all of them too
    for (const line of [4, 5]) {
      const inside = await launched(text, [line]);
      expect(inside.answers[0]).toMatchObject({ verified: true, line });
      const expanded = await stops(inside.client);
      expect(expanded.map((stop) => stop.line)).toEqual([8, 9, 10]);
      expect(expanded.every(({ address }) => met.some((stop) => stop.address === address))).toBe(line === 4);
    }
  });

  it("on a line of a GNU macro that another one uses stop wherever it has come", async () => {
    const gas = "file:///w/places.s";
    const text = `.macro inner reg\n inc \\reg\n nop\n.endm\n.macro outer\n inner %ebx\n inner %ecx\n.endm\n.globl _start\n_start: nop\n outer\n inner %edx\n mov $60, %eax\n xor %edi, %edi\n syscall\n`;
    const client = new DapClient({ [gas]: text });
    const at = { path: "/w/places.s" };
    await client.launch({ program: gas }, () =>
      client.ok("setBreakpoints", { source: at, breakpoints: [{ line: 3 }] }),
    );
    expect((await stops(client)).map(({ line }) => line)).toEqual([11, 11, 12]);
    const uses = new DapClient({ [gas]: text });
    await uses.launch({ program: gas }, () => uses.ok("setBreakpoints", { source: at, breakpoints: [{ line: 7 }] }));
    const [met] = await stops(uses);
    expect(met!.line).toBe(11);
  });

  it("on a line of a macro of the kernel's stop in each entry that it makes", async () => {
    const { client } = await launched(` bits 64\n global _start\n_start: int3\n${exit}`, []);
    const { sources } = await client.ok("loadedSources");
    const entry = sources.find(({ name }: { name: string }) => name === "entry_64.S");
    const { content } = await client.ok("source", { source: entry, sourceReference: entry.sourceReference });
    const line = content.split("\n").findIndex((each: string) => /^\s+call\s+error_entry/.test(each)) + 1;
    await client.ok("setBreakpoints", { source: entry, breakpoints: [{ line }] });
    const [met] = await stops(client);
    expect(met!.source).toBe("entry_64.S");
  });

  it("stop in included files", async () => {
    const more = { "file:///w/part.inc": "part: mov ebx, 7\n inc ebx\n ret\n" };
    const text = ` bits 64\n global _start\n_start: call part\n call part\n${exit}\n%include "part.inc"\n`;
    const part = { name: "part.inc", path: "/w/part.inc" };
    const { client, answers } = await launched(text, [2], more, part);
    expect(answers[0]).toMatchObject({ verified: true, line: 2 });
    expect((await stops(client)).map(({ line, source: from }) => [line, from])).toEqual([
      [2, "part.inc"],
      [2, "part.inc"],
    ]);
  });

  it("stop on lines of the kernel's sources", async () => {
    const { client } = await launched(` bits 64\n global _start\n_start: mov eax, 39\n syscall\n${exit}`, []);
    const { sources } = await client.ok("loadedSources");
    const entry = sources.find(({ name }: { name: string }) => name === "entry_64.S");
    const { content } = await client.ok("source", { source: entry, sourceReference: entry.sourceReference });
    const line = content.split("\n").findIndex((each: string) => /^ENTRY entry_SYSCALL_64\b/.test(each)) + 2;
    const { breakpoints } = await client.ok("setBreakpoints", { source: entry, breakpoints: [{ line }] });
    expect(breakpoints[0]).toMatchObject({ verified: true });
    const met = await stops(client);
    expect(met.map(({ source: from }) => from)).toEqual(["entry_64.S", "entry_64.S"]);
    expect(met[0]!.line).toBe(breakpoints[0].line);
    // by its path alone too, as an editor remembers it
    const again = await client.ok("setBreakpoints", { source: { path: entry.path }, breakpoints: [{ line }] });
    expect(again.breakpoints[0].verified).toBe(true);
    // and with a reference that another session gave it
    const stale = { path: entry.path, sourceReference: 99 };
    const late = await client.ok("setBreakpoints", { source: stale, breakpoints: [{ line }] });
    expect(late.breakpoints[0].verified).toBe(true);
  });

  it("know the kernel's sources by the places that a disassembly shows", async () => {
    const { client } = await launched(` bits 64\n global _start\n_start: mov eax, 39\n syscall\n${exit}`, []);
    const { instructions } = await client.ok("disassemble", {
      memoryReference: (await client.evaluate("entry_SYSCALL_64")).split(" ")[0],
      instructionCount: 1,
    });
    const [{ location, line }] = instructions;
    // what looks like a URI would be opened as such
    expect(location).toMatchObject({ name: "entry_64.S", path: "kernel/entry/entry_64.S" });
    const { content } = await client.ok("source", { source: location, sourceReference: location.sourceReference });
    expect(content.split("\n")[line - 1]).toMatch(/swapgs/);
    const { breakpoints } = await client.ok("setBreakpoints", { source: location, breakpoints: [{ line }] });
    expect(breakpoints[0].verified).toBe(true);
    const upcall = await client.ok("disassemble", {
      memoryReference: (await client.evaluate("syscall_32_enter")).split(" ")[0],
      instructionCount: 2,
    });
    const texts = upcall.instructions.map(({ instruction }: { instruction: string }) => instruction);
    expect(texts).toEqual([expect.stringMatching(/^upcall \d+$/), "ret"]);
  });

  it("stop in the vDSO", async () => {
    const text = ` bits 64\n global _start\n_start: mov rax, [rel entry]\n xor edi, edi\n call rax\n${exit} section .data\nentry: dq 0\n`;
    const { client } = await launched(text, []);
    const { breakpoints } = await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "__vdso_time" }] });
    expect(breakpoints[0]).toMatchObject({ verified: true, source: { name: expect.stringMatching(/vdso/) } });
    await client.ok("setExpression", { expression: "qword [entry]", value: "__vdso_time" });
    const [met] = await stops(client);
    expect(BigInt(met!.address)).toBe(BigInt(breakpoints[0].instructionReference));
  });

  const JIT = `
        bits 64
        global _start
_start: mov eax, 9
        mov edi, 0x500000
        mov esi, 4096
        mov edx, 7
        mov r10d, 0x32
        mov r8, -1
        xor r9d, r9d
        syscall
        mov dword [rax], 0xc3909090     ; line 12
        call rax
        mov dword [rax], 0xc3c3c3c3     ; line 14
        call rax
        ${exit}`;

  it("wait for code that is mapped later, say so, and are met in all that is written there", async () => {
    const { client } = await launched(JIT, []);
    const { breakpoints } = await client.ok("setInstructionBreakpoints", {
      breakpoints: [{ instructionReference: "0x500000" }],
    });
    expect(breakpoints[0]).toMatchObject({
      verified: false,
      reason: "pending",
      message: "nothing is mapped there yet",
    });
    await client.ok("setBreakpoints", { source, breakpoints: [{ line: 14 }] });
    const first = await client.run("continue");
    expect(first).toMatchObject({ reason: "instruction breakpoint", hitBreakpointIds: [breakpoints[0].id] });
    const told = client.events.filter(({ event }) => event === "breakpoint").map(({ body }) => body);
    expect(told).toEqual([
      {
        reason: "changed",
        breakpoint: { id: breakpoints[0].id, verified: true, instructionReference: "0x0000000000500000" },
      },
    ]);
    expect((await client.run("continue")).reason).toBe("breakpoint");
    const second = await client.run("continue");
    expect(second.hitBreakpointIds).toEqual([breakpoints[0].id]);
    expect(await client.evaluate("byte [rip]")).toBe("0xc3");
  });

  it("wait for a program that is not loaded yet", async () => {
    const client = new DapClient({ [program]: ` bits 64\n global _start\n_start: nop\nhere: nop\n${exit}` });
    await client.ok("initialize", { adapterID: "ringside", linesStartAt1: true });
    const early = await client.ok("setBreakpoints", { source, breakpoints: [{ line: 4 }] });
    expect(early.breakpoints[0]).toMatchObject({ verified: false, reason: "pending" });
    const initialized = client.next("initialized");
    await client.ok("launch", { program, stopOnEntry: false });
    await initialized;
    const told = client.events.filter(({ event }) => event === "breakpoint").map(({ body }) => body.breakpoint);
    expect(told).toMatchObject([{ id: early.breakpoints[0].id, verified: true, line: 4 }]);
    const stopped = client.next("stopped", "terminated");
    await client.ok("configurationDone");
    expect((await stopped).hitBreakpointIds).toEqual([early.breakpoints[0].id]);
  });

  it("move with the program that a restart finds changed, and keep their ids; exceptions and data stay watched", async () => {
    const before = ` bits 64\n global _start\n_start: nop\n nop\n jmp on\non: mov dword [x], 1\n${exit} section .data\nx: dd 0\n`;
    const files: Record<string, string> = { [program]: before };
    const client = new DapClient(files);
    const ids: number[] = [];
    await client.launch({ program }, async () => {
      const lines = await client.ok("setBreakpoints", { source, breakpoints: [{ line: 4, hitCondition: "1" }] });
      const labels = await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "later" }] });
      expect(labels.breakpoints[0]).toMatchObject({ verified: false, message: 'there is no label "later"' });
      ids.push(lines.breakpoints[0].id, labels.breakpoints[0].id);
      await client.ok("setExceptionBreakpoints", { filters: ["exit"] });
    });
    const { dataId } = await client.ok("dataBreakpointInfo", { name: "dword [x]" });
    await client.ok("setDataBreakpoints", { breakpoints: [{ dataId, accessType: "write" }] });
    // the line has become a comment: the next one has code; and there is a new label
    files[program] = before
      .replace("_start: nop\n nop\n", "_start: nop\n;\n")
      .replace(" jmp on\n", " jmp on\nlater: nop\n");
    const stopped = client.next("stopped");
    await client.ok("restart", {});
    await stopped;
    const told = client.events.filter(({ event }) => event === "breakpoint").map(({ body }) => body.breakpoint);
    expect(told).toMatchObject([
      { id: ids[0], verified: true, line: 5 },
      { id: ids[1], verified: true, line: 6 },
    ]);
    expect(await client.run("continue")).toMatchObject({ hitBreakpointIds: [ids[0]] });
    expect((await client.topFrame()).line).toBe(5);
    expect((await client.run("continue")).reason).toBe("data breakpoint");
  });

  it("stop in a program again after it has executed itself", async () => {
    const text = `
        bits 64
        global _start
_start: mov rax, [rsp]          ; line 4: argc
        cmp eax, 3
        je done
        mov rdi, [rsp+8]
        lea rsi, [rel args]
        xor edx, edx
        mov eax, 59
        syscall
done:   ${exit}
        section .data
args:   dq name, name, name, 0
name:   db "x", 0
`;
    const { client } = await launched(text, [4, 12]);
    const met = await stops(client);
    expect(met.map(({ line }) => line)).toEqual([4, 12]);
    const labels = await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "__vdso_time" }] });
    expect(labels.breakpoints[0].verified).toBe(true);
  });
});

describe("standing on a breakpoint", () => {
  it("that a step has come to, continue goes on from it", async () => {
    const { client } = await launched(` bits 64\n global _start\n_start: nop\n nop\n nop\n${exit}`, [4, 5]);
    await client.run("next");
    expect((await client.topFrame()).line).toBe(4);
    await client.run("continue");
    expect((await client.topFrame()).line).toBe(5);
  });
});
