/** Going back over the protocol: registers, memory, output and kernel state are as they were. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/loop.asm";
const LOOP = `
        bits 64
        global _start
_start: xor ecx, ecx            ; line 4
.next:  inc ecx                 ; line 5
        mov [count], ecx
        cmp ecx, 10
        jb .next                ; line 8
        mov eax, 39             ; line 9
        syscall
        mov r8d, 300000         ; line 11
.work:  dec r8d
        jnz .work               ; line 13
        mov eax, 60             ; line 14
        xor edi, edi
        syscall
        section .bss
count:  resd 1
`;
const source = { path: "/w/loop.asm" };

async function at(line: number, condition?: string) {
  const client = new DapClient({ [program]: LOOP });
  await client.launch({ program }, () => client.ok("setBreakpoints", { source, breakpoints: [{ line, condition }] }));
  await client.run("continue");
  expect((await client.topFrame()).line).toBe(line);
  return client;
}

const lineOf = async (client: DapClient) => (await client.topFrame()).line;

describe("step back", () => {
  it("undoes registers and memory, an instruction at a time", async () => {
    const client = await at(8, "ecx == 3");
    expect(await client.evaluate("dword [count],d")).toBe("3");
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(7);
    await client.run("stepBack");
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(5);
    expect(await client.evaluate("ecx,d")).toBe("2");
    expect(await client.evaluate("dword [count],d")).toBe("2");
    await client.run("next");
    expect(await client.evaluate("ecx,d")).toBe("3");
  });

  it("crosses a system call as one step", async () => {
    const client = await at(11);
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(10);
    expect(await client.evaluate("eax,d")).toBe("39");
    expect(await client.evaluate("cs & 3")).toBe("0x3");
  });

  it("goes through the kernel when that is stepped through", async () => {
    const client = await at(11);
    await client.ok("ringside/stepIntoKernel", { enabled: true });
    await client.run("stepBack", { granularity: "instruction" });
    expect(await client.evaluate("cpl")).toBe("0x0");
    const state = await client.ok("ringside/kernelState");
    expect(state.lastEntry.syscall).toBe("getpid (39)");
  });

  it("stays at the beginning of history, and says so once", async () => {
    const client = new DapClient({ [program]: LOOP });
    await client.launch({ program });
    await client.run("stepBack", { granularity: "instruction" });
    const BEGINNING = { reason: "entry", description: "Paused at the beginning of history" };
    expect(await client.run("reverseContinue")).toMatchObject(BEGINNING);
    const here = await client.ok("ringside/time");
    expect(here.icount).toBe(here.start);
    const said = /nothing before this is recorded/g;
    expect(client.output("console").match(said)).toHaveLength(1);
    for (const request of ["stepBack", "reverseContinue", "ringside/stepBackInto", "stepBack"]) {
      expect(await client.run(request)).toMatchObject({ ...BEGINNING, text: expect.stringMatching(said) });
      expect(await client.ok("ringside/time")).toEqual(here);
    }
    expect(client.output("console").match(said)).toHaveLength(1);
    await client.run("stepIn", { granularity: "instruction" });
    expect((await client.ok("ringside/time")).icount).toBe(here.icount + 1);
    await client.run("stepBack", { granularity: "instruction" });
    await client.run("stepBack");
    expect(client.output("console").match(said)).toHaveLength(2);
  });

  it("is exact across many instructions", async () => {
    const client = await at(14);
    for (let i = 1; i <= 6; i++) await client.run("stepBack");
    expect(await lineOf(client)).toBe(12);
    expect(await client.evaluate("r8,d")).toBe("3");
    await client.ok("evaluate", { expression: "r8 = 50", context: "repl" });
    await client.run("next");
    expect(await client.evaluate("r8,d")).toBe("49");
    await client.run("stepBack");
    expect(await client.evaluate("r8,d")).toBe("50");
    await client.run("stepBack");
    expect(await client.evaluate("r8,d")).toBe("3");
  });
});

describe("reverse continue", () => {
  it("stops at the last breakpoint before, conditions included", async () => {
    const client = await at(11);
    await client.ok("setBreakpoints", { source, breakpoints: [{ line: 5, condition: "ecx == 6" }] });
    const stop = await client.run("reverseContinue");
    expect(stop.reason).toBe("breakpoint");
    expect(await lineOf(client)).toBe(5);
    expect(await client.evaluate("ecx,d")).toBe("6");
    await client.ok("setBreakpoints", { source, breakpoints: [] });
    await client.run("continue");
    expect(client.events.at(-1)?.event).toBe("terminated");
  });
});

describe("reverse continue without a breakpoint", () => {
  const FIRST = { reason: "entry", description: "Paused at the program's first instruction" };

  it("stops at the program's first instruction; the kernel's part before it is one more away", async () => {
    const client = await at(11);
    await client.ok("setBreakpoints", { source, breakpoints: [] });
    expect(await client.run("reverseContinue")).toMatchObject(FIRST);
    expect(await lineOf(client)).toBe(4);
    const first = (await client.ok("ringside/time")).icount;
    expect(await client.run("reverseContinue")).toMatchObject({ description: "Paused at the beginning of history" });
    const { icount, start } = await client.ok("ringside/time");
    expect(icount).toBe(start);
    expect(icount).toBeLessThan(first);
    expect(await client.evaluate("cpl")).toBe("0x0");
  });

  it("finds it where the program was not stopped there, and from its end", async () => {
    const client = new DapClient({ [program]: LOOP });
    await client.launch({ program, stopOnEntry: false });
    expect(await client.run("reverseContinue")).toMatchObject(FIRST);
    expect(await lineOf(client)).toBe(4);
  });

  it("goes over it to a breakpoint in the kernel only when asked once more", async () => {
    const client = await at(11);
    await client.ok("setBreakpoints", { source, breakpoints: [] });
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "ret_from_fork" }] });
    expect(await client.run("reverseContinue")).toMatchObject(FIRST);
    expect(await client.run("reverseContinue")).toMatchObject({ reason: "function breakpoint" });
    expect(await client.evaluate("cpl")).toBe("0x0");
  });

  it("is the machine's first where there is no kernel", async () => {
    const bare = "file:///w/boot.asm";
    const text = "bits 16\norg 0x7c00\nmov ax, 1\nmov bx, 2\nhlt\n";
    const client = new DapClient({ [bare]: text });
    await client.launch({ program: bare, arch: "bare", load: "bootsector" });
    await client.run("next");
    await client.run("next");
    expect(await client.run("reverseContinue")).toMatchObject(FIRST);
    expect(await client.evaluate("ip")).toMatch(/^0x7c00/);
    expect(await client.run("stepBack")).toMatchObject({ description: "Paused at the beginning of history" });
  });
});

describe("a change in the past", () => {
  it("begins a new future", async () => {
    const client = await at(8, "ecx == 5");
    await client.run("stepBack");
    expect(client.output("console")).not.toContain("new future");
    await client.ok("evaluate", { expression: "ecx = 100", context: "repl" });
    await client.ok("evaluate", { expression: "ecx = 100", context: "repl" });
    expect(client.output("console").match(/a new future begins here: what came after it is gone/g)).toHaveLength(1);
    await client.ok("setBreakpoints", { source, breakpoints: [{ line: 9 }] });
    await client.run("continue");
    expect(await client.evaluate("ecx,d")).toBe("100");
    expect(await client.evaluate("dword [count],d")).toBe("5");
  });
});

describe("output", () => {
  const printer = "file:///w/printer.asm";
  const letter = (name: string) => ` mov eax, 1\n mov edi, 1\n lea rsi, [rel ${name}]\n mov edx, 2\n syscall\n`;
  const text = `bits 64\nglobal _start\n_start:\n${letter("a")}${letter("b")} mov eax, 60\n syscall\na: db "a", 10\nb: db "b", 10\n`;

  it("stays where it is when the program goes back; what lies ahead again is said once", async () => {
    const client = new DapClient({ [printer]: text });
    await client.launch({ program: printer }, () =>
      client.ok("setBreakpoints", { source: { path: "/w/printer.asm" }, breakpoints: [{ line: 4 }, { line: 14 }] }),
    );
    const said = (category: string) =>
      client.events
        .filter(({ event, body }) => event === "output" && body.category === category)
        .map((e) => e.body.output);
    await client.run("continue");
    expect(await lineOf(client)).toBe(14);
    expect(said("stdout")).toEqual(["a\n", "b\n"]);
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(13);
    expect(said("console")).toEqual(['back before the output of "b\\n": it will come again\n']);
    await client.run("reverseContinue");
    expect(await lineOf(client)).toBe(4);
    expect(said("console").slice(1)).toEqual(['back before the output of "a\\n": it will come again\n']);
    await client.run("continue");
    await client.run("reverseContinue");
    expect(said("console").slice(2)).toEqual(['back before the output of "a\\n" and 1 more: it will come again\n']);
    expect(said("stdout")).toEqual(["a\n", "b\n", "a\n", "b\n"]);
  });
});
