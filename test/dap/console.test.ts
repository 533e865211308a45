/** The debug console: commands, completion, results by number, rows of memory. Jumps and step-in targets. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/adapter/handlers/commands.ts";
import { DapClient } from "./client.ts";

const program = "file:///w/console.asm";
const SOURCE = `
        bits 64
        global _start
_start: mov ecx, 3              ; line 4
.next:  call twice              ; line 5
        dec ecx
        jnz .next               ; line 7
        mov eax, 39             ; line 8
        syscall                 ; line 9
        mov eax, 20             ; line 10
        int 0x80
        mov eax, 60             ; line 12
        xor edi, edi
        syscall
twice:  add dword [total], 2    ; line 15
        mov rbx, [total]
        ret                     ; line 17
        section .data
total:  dd 0
list:   dw 1, 2, 3, -4
text:   db "hello"
`;
const source = { path: "/w/console.asm" };

async function launched(line?: number, condition?: string) {
  const client = new DapClient({ [program]: SOURCE });
  const breakpoints = line === undefined ? [] : [{ line, condition }];
  await client.launch({ program }, () => client.ok("setBreakpoints", { source, breakpoints }));
  if (line !== undefined) await client.run("continue");
  return client;
}

const type = async (client: DapClient, expression: string): Promise<string> =>
  (await client.ok("evaluate", { expression, context: "repl" })).result;

const lineOf = async (client: DapClient) => (await client.topFrame()).line;

describe("console commands", () => {
  it("help lists every one", async () => {
    const client = await launched();
    const text = await type(client, "help");
    for (const name of ["back", "until", "who", "page", "idt", "gdt", "trace", "inject"]) expect(text).toContain(name);
  });

  it("goes on until a label, back a number of instructions, to a bookmark and to a number", async () => {
    const client = await launched();
    const stop = client.next("stopped");
    await type(client, "until twice");
    expect((await stop).reason).toBe("goto");
    expect(await lineOf(client)).toBe(15);
    await type(client, "bookmark first");
    const back = client.next("stopped");
    await type(client, "back 2");
    await back;
    expect(await lineOf(client)).toBe(4);
    const go = client.next("stopped");
    await type(client, "go first");
    await go;
    expect(await lineOf(client)).toBe(15);
    const at = /^instruction (\d+)/.exec(await type(client, "time"))![1];
    const onward = client.next("stopped");
    await type(client, `go ${Number(at) + 2}`);
    await onward;
    expect(await lineOf(client)).toBe(17);
  });

  it("says who wrote memory, a kernel bit and a register", async () => {
    const client = await launched(12);
    expect(await type(client, "who dword [total]")).toMatch(/0x4 -> 0x6 by twice.*console\.asm:15/);
    expect(await type(client, "who TS_COMPAT")).toMatch(/0x2 -> 0x0 by exit_to_user_mode_prepare/);
    // the kernel's way out restores it last, after INT 0x80
    expect(await type(client, "who rbx")).toMatch(/0x0 -> 0x\w+06 by \w+.*/);
    const earlier = await launched(8);
    expect(await type(earlier, "who rbx")).toMatch(/0x\w+04 -> 0x\w+06 by twice.*console\.asm:16/);
    expect(await type(client, "who word [list]")).toContain("has not been written since");
    expect(await lineOf(client)).toBe(12);
    const answer = await client.ok("ringside/lastWriter", { expression: "dword [total]" });
    expect(answer).toMatchObject({ found: true, change: "0x4 -> 0x6" });
  });

  it("shows tables and page walks by the processor's own rules", async () => {
    const client = await launched();
    expect(await type(client, "idt 0x80")).toMatch(/128: interrupt gate to 0x0010:0x[\da-f]+ <.*80.*>, DPL 3/);
    expect(await type(client, "gdt 2")).toMatch(/64-bit code.*DPL 0/);
    const walk = await type(client, "page total");
    expect(walk).toMatch(/PGD\[0\][\s\S]*PTE\[[\s\S]*physical 0x/);
  });

  it("walks user mode's page tables under isolation, and says what the kernel's have", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program, kernel: { preset: "linux-6.1", pti: "on" } }, () => Promise.resolve());
    const walk = await type(client, "page 0xffff888000000000");
    expect(walk).toMatch(/PMD\[0\].*not present\nnot mapped; on the kernel's page tables physical 0x0$/);
    expect(await type(client, "page total")).toMatch(/PGD\[0\][\s\S]*physical 0x/);
    expect(BigInt(await type(client, "cr3")) & 0x1000n).toBe(0x1000n);
  });

  it("prints the timeline while tracing", async () => {
    const client = await launched(8);
    await type(client, "trace on");
    await client.ok("setBreakpoints", { source, breakpoints: [{ line: 12 }] });
    await client.run("continue");
    expect(client.output("console")).toMatch(/exit .*instruction=sysret.* cs=0x33 ss=0x2b\n/);
    expect(client.output("console")).toMatch(/syscall-enter name=getpid nr=39 args=(0x[0-9a-f]+,){5}0x/);
  });

  it("injects an event here", async () => {
    const client = await launched(8);
    expect(await type(client, "inject nonsense").catch(String)).toContain("unknown event");
    await type(client, "inject nmi");
    await client.ok("setExceptionBreakpoints", { filters: ["entry"] });
    const stop = await client.run("continue");
    expect(stop.reason).toBe("exception");
    expect((await client.ok("exceptionInfo", { threadId: 1 })).details.message).toMatch(/nmi/i);
  });

  it("counts a symbol of a command's name as the symbol", async () => {
    const client = new DapClient({ [program]: SOURCE.replaceAll("total", "time") });
    await client.launch({ program });
    expect(await type(client, "time")).toMatch(/^0x/);
    expect(await type(client, "time - 1")).toMatch(/^0x/);
  });

  it("takes the command where an argument follows", async () => {
    const client = new DapClient({ [program]: SOURCE.replaceAll("total", "back") });
    await client.launch({ program });
    await client.run("next");
    const { icount } = await client.ok("ringside/time");
    const stopped = client.next("stopped");
    expect(await type(client, "back 1")).not.toMatch(/^0x/);
    await stopped;
    expect((await client.ok("ringside/time")).icount).toBeLessThan(icount);
  });
});

describe("expressions in the console", () => {
  it("numbers its results", async () => {
    const client = await launched();
    await type(client, "6 * 7");
    await type(client, "1");
    expect(await type(client, "$1 + 0,d")).toBe("42");
    expect(await type(client, "$ + 1,d")).toBe("43");
  });

  it("casts, signed and not", async () => {
    const client = await launched();
    expect(await client.evaluate("int16(word [list + 6]) < 0")).toBe("0x1");
    expect(await client.evaluate("int16(word [list + 6]),d")).toBe("-4");
    expect(await client.evaluate("byte(0x1234)")).toBe("0x34");
    expect(await client.evaluate("-1 < 0")).toBe("0x1");
  });

  it("shows rows of memory, each an element", async () => {
    const client = await launched();
    const answer = await client.ok("evaluate", { expression: "word [list],4d", context: "watch" });
    expect(answer.result).toBe("1 2 3 -4");
    const { variables } = await client.ok("variables", { variablesReference: answer.variablesReference });
    expect(variables.map(({ name }: { name: string }) => name)).toEqual(["[0]", "[1]", "[2]", "[3]"]);
    expect(await client.evaluate("byte [text],5c")).toBe('"h" "e" "l" "l" "o"');
    expect((await client.request("evaluate", { expression: "rax,4d", context: "watch" })).message).toContain(
      "only memory",
    );
  });

  it("knows the kernel's plain fields", async () => {
    const client = await launched();
    expect(await client.evaluate("mm.vdso != 0 && task.pid > 0 && espfix.alias != 0")).toBe("0x1");
  });

  it("completes registers, kernel fields, symbols and commands", async () => {
    const client = await launched();
    const labels = async (text: string) =>
      (await client.ok("completions", { text, column: text.length + 1 })).targets.map(
        ({ label }: { label: string }) => label,
      );
    expect(await labels("1 + rax")).toEqual(["rax"]);
    expect(await labels("TS_C")).toContain("TS_COMPAT");
    expect(await labels("pt_regs.i")).toContain("pt_regs.ip");
    expect(await labels("tota")).toEqual(["total"]);
    expect(await labels("wh")).toEqual(["who"]);
    expect(await labels("1 + wh")).toEqual([]);
    const [target] = (await client.ok("completions", { text: "1 + tot", column: 8 })).targets;
    expect(target).toMatchObject({ start: 4, length: 3 });
  });
});

describe("jumps", () => {
  it("go to a line without running anything", async () => {
    const client = await launched(5);
    const { targets } = await client.ok("gotoTargets", { source, line: 8 });
    const stop = client.next("stopped");
    await client.ok("goto", { threadId: 1, targetId: targets[0].id });
    expect((await stop).reason).toBe("goto");
    expect(await lineOf(client)).toBe(8);
    expect(await client.evaluate("dword [total]")).toBe("0x00000000");
  });

  it("offer the kernel where an instruction enters it", async () => {
    const client = await launched(9);
    const { targets } = await client.ok("stepInTargets", { frameId: 1 });
    expect(targets.map(({ label }: { label: string }) => label)).toEqual([
      "syscall: to the next instruction of the program",
      "syscall: into the kernel's entry code",
    ]);
    await client.run("stepIn", { targetId: targets[1].id });
    expect(await client.evaluate("cpl")).toBe("0x0");
  });
});

describe("going back by function", () => {
  it("steps back over a call, into it, and out of it", async () => {
    const client = await launched(6, "ecx == 2");
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(5);
    expect(await client.evaluate("ecx,d")).toBe("2");
    await client.run("next");
    await client.run("ringside/stepBackInto");
    expect(await lineOf(client)).toBe(17);
    await client.run("ringside/stepBackOut");
    expect(await lineOf(client)).toBe(5);
    expect(await client.evaluate("dword [total],d")).toBe("2");
  });

  it("restarts a frame", async () => {
    const client = await launched(17, "ecx == 1");
    await client.run("restartFrame", { frameId: (await client.topFrame()).id });
    expect(await lineOf(client)).toBe(15);
    expect(await client.evaluate("dword [total],d")).toBe("4");
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    expect((await client.request("restartFrame", { frameId: stackFrames.at(-1).id })).message).toContain(
      "no known caller",
    );
  });

  it("runs back to a line", async () => {
    const client = await launched(12);
    await client.run("ringside/runBackTo", { source, line: 7 });
    expect(await lineOf(client)).toBe(7);
    expect(await client.evaluate("ecx,d")).toBe("0");
  });
});

describe("reverse continue", () => {
  it("stops before what changed watched data", async () => {
    const client = await launched(12);
    const info = await client.ok("dataBreakpointInfo", { name: "dword [total]" });
    await client.ok("setDataBreakpoints", { breakpoints: [{ dataId: info.dataId, accessType: "write" }] });
    const stop = await client.run("reverseContinue");
    expect(stop).toMatchObject({ reason: "data breakpoint", text: expect.stringContaining("0x4 -> 0x6") });
    expect(await lineOf(client)).toBe(15);
    expect(await client.evaluate("dword [total],d")).toBe("4");
    await client.run("reverseContinue");
    expect(await client.evaluate("dword [total],d")).toBe("2");
  });

  it("stops at events of the chosen filters", async () => {
    const client = await launched(12);
    await client.ok("setExceptionBreakpoints", { filters: ["entry"] });
    const stop = await client.run("reverseContinue");
    expect(stop.reason).toBe("exception");
    expect((await client.ok("ringside/kernelState")).lastEntry.syscall).toBeUndefined();
    expect(await client.evaluate("cpl")).toBe("0x0");
  });
});

describe("docs/console.md", () => {
  it("has every command", () => {
    const page = readFileSync(path.join(import.meta.dirname, "../../docs/console.md"), "utf8");
    for (const name of COMMANDS.keys()) expect(page).toContain(`\`${name}`);
  });
});
