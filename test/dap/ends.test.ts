/** Stops at what ends the program: a signal without a handler, an exit. The program is still there, and can be looked at and gone on with. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/ends.asm";
const CRASH = `bits 64
global _start
_start: nop
        mov eax, [0x10]         ; line 4
        mov edi, 7
        mov eax, 231
        syscall                 ; line 7
`;
const EXIT = CRASH.replace("mov eax, [0x10]", "nop");
const KILLS_ITSELF = `bits 64
global _start
_start: mov eax, 39
        syscall
        mov edi, eax
        mov esi, 6
        mov eax, 62
        syscall                 ; line 8
`;
const MAKES_CODE = `bits 64
global _start
_start: mov eax, 9              ; mmap
        xor edi, edi
        mov esi, 4096
        mov edx, 7
        mov r10d, 0x22
        mov r8, -1
        xor r9d, r9d
        syscall
        mov byte [rax], 0xc3
        call rax                ; line 12
        nop
`;

async function stopAt(filter: string, source: string, more: object = {}) {
  const client = new DapClient({ [program]: source });
  await client.launch({ program, ...more }, () => client.ok("setExceptionBreakpoints", { filters: [filter] }));
  return { client, stop: await client.run("continue") };
}

async function exitCode(client: DapClient): Promise<number> {
  const exited = client.next("exited");
  await client.ok("continue", { threadId: 1 });
  return (await exited).exitCode;
}

const lineOf = async (client: DapClient) => (await client.topFrame()).line;

describe("a fatal signal", () => {
  it("stops at the instruction that it comes from, and says why", async () => {
    const { client, stop } = await stopAt("fatal", CRASH);
    expect(stop).toMatchObject({ reason: "exception", threadId: 1, description: "SIGSEGV" });
    const { exceptionId, description } = await client.ok("exceptionInfo", { threadId: 1 });
    expect(exceptionId).toBe("SIGSEGV");
    expect(description).toBe("ends the program: nothing is mapped at 0x10");
    expect(await lineOf(client)).toBe(4);
    expect(await client.evaluate("cs & 3")).toBe("0x3");
  });

  it("is the present: nothing lies ahead of it", async () => {
    const { client } = await stopAt("fatal", CRASH);
    const { icount, latest } = await client.ok("ringside/time");
    expect(latest).toBe(icount);
  });

  it("ends the program when it goes on, by a step too", async () => {
    const { client } = await stopAt("fatal", CRASH);
    expect(await exitCode(client)).toBe(139);
    const { client: other } = await stopAt("fatal", CRASH);
    const exited = other.next("exited");
    await other.ok("next", { threadId: 1 });
    expect((await exited).exitCode).toBe(139);
  });

  it("is told of again after going back, and after a change", async () => {
    const { client } = await stopAt("fatal", CRASH);
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(3);
    expect(await client.run("continue")).toMatchObject({ reason: "exception" });
    await client.ok("evaluate", { expression: "rax = 1", context: "repl" });
    expect(await client.run("continue")).toMatchObject({ reason: "exception" });
    expect(await lineOf(client)).toBe(4);
    expect(await exitCode(client)).toBe(139);
  });

  it("stops in the kernel, before the signal is acted on, when that is stepped into", async () => {
    const { client } = await stopAt("fatal", CRASH, { stepIntoKernel: true });
    expect(await client.evaluate("cs & 3")).toBe("0x0");
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    expect(stackFrames.at(-1)).toMatchObject({ line: 4 });
    expect(await exitCode(client)).toBe(139);
  });

  it("of one's own stops at the system call that sends it", async () => {
    const { client } = await stopAt("fatal", KILLS_ITSELF);
    expect(await lineOf(client)).toBe(8);
    const { exceptionId, description } = await client.ok("exceptionInfo", { threadId: 1 });
    expect(exceptionId).toBe("SIGABRT");
    expect(description).toBe("ends the program: sent by kill()");
    expect(await exitCode(client)).toBe(134);
  });
});

describe("a stop without a source", () => {
  it("is one at an instruction, which editors show in their disassembly, and says where the code ended", async () => {
    const { client, stop } = await stopAt("fatal", "global _start\n_start: mov eax, 7\n");
    expect(stop).toMatchObject({ reason: "instruction breakpoint", description: "SIGSEGV" });
    expect(client.output("console")).toMatch(
      /^SIGSEGV at 0x0*401005 <_start\+0x5>: ends the program: .*\nthe code ends with ends.asm:2: no exit after it\?$/m,
    );
    expect((await client.ok("exceptionInfo", { threadId: 1 })).exceptionId).toBe("SIGSEGV");
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(2);
    expect(await client.run("next")).toMatchObject({
      reason: "instruction breakpoint",
      description: "Paused on step",
    });
  });
});

describe("code without a source that one with a source has called", () => {
  it("is where the program stands, not its caller", async () => {
    const client = new DapClient({ [program]: MAKES_CODE });
    const breakpoints = [{ line: 12 }];
    await client.launch({ program }, () =>
      client.ok("setBreakpoints", { source: { path: "/w/ends.asm" }, breakpoints }),
    );
    await client.run("continue");
    expect(await client.run("stepIn", { granularity: "instruction" })).toMatchObject({
      reason: "instruction breakpoint",
      description: "Paused on step",
    });
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    expect(stackFrames.map(({ line }: { line: number }) => line)).toEqual([0, 12]);
    expect(await client.run("stepIn", { granularity: "instruction" })).toMatchObject({ reason: "step" });
  });
});

describe("an exit", () => {
  it("stops at its system call where that is asked for", async () => {
    const { client, stop } = await stopAt("end", EXIT);
    const text = "the program is about to end with status 7";
    expect(stop).toMatchObject({ reason: "exception", description: "exit_group(7)", text });
    expect(await lineOf(client)).toBe(7);
    await client.run("stepBack");
    expect(await lineOf(client)).toBe(6);
    await client.run("next");
    expect(await client.run("next")).toMatchObject({ description: "exit_group(7)" });
    expect(await lineOf(client)).toBe(7);
    expect(await exitCode(client)).toBe(7);
  });

  it("does not stop otherwise", async () => {
    const client = new DapClient({ [program]: EXIT });
    await client.launch({ program }, () => client.ok("setExceptionBreakpoints", { filters: ["fatal"] }));
    expect(await exitCode(client)).toBe(7);
  });
});
