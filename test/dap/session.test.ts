/** The debug adapter over the protocol: launching, stopping, stepping, looking and changing. Every message is checked by schema. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const HELLO = `
        bits 64
        global _start
        section .text
_start: mov eax, 1              ; line 5
        mov edi, 1
        lea rsi, [rel msg]
        mov edx, len
        syscall                 ; line 9
        call twice
        mov eax, 60             ; line 11
        xor edi, edi
        syscall
twice:  mov rbx, 21             ; line 14
        add rbx, rbx
        ret                     ; line 16
        section .data
msg:    db "hello", 10
len     equ $ - msg
`;
const program = "file:///w/hello.asm";
const files = { [program]: HELLO };
const source = { name: "hello.asm", path: "/w/hello.asm" };

async function started(configuration = {}, configure?: (client: DapClient) => Promise<unknown>) {
  const client = new DapClient(files);
  const stop = await client.launch({ program, ...configuration }, () => configure?.(client) ?? Promise.resolve());
  return { client, stop };
}

describe("launch", () => {
  it("stops at the first instruction of the program, in user mode", async () => {
    const { client, stop } = await started();
    expect(stop.reason).toBe("entry");
    const frame = await client.topFrame();
    expect(frame).toMatchObject({ line: 5, source: { path: "/w/hello.asm" } });
    expect(frame.name).toContain("_start");
    expect(await client.evaluate("cs & 3")).toBe("0x3");
  });

  it("runs to the end with its output and exit status", async () => {
    const { client } = await started();
    const exited = client.next("exited");
    await client.run("continue");
    expect((await exited).exitCode).toBe(0);
    expect(client.output()).toBe("hello\n");
  });

  it.each([
    [{ program: "file:///w/none.asm" }, /cannot read .*none.asm/],
    [{ program, arch: "vax" }, /"arch" takes one of x86_64, i386, bare/],
    [{ program, seed: -1 }, /"seed" takes a whole number/],
    [{ program, kernel: { espfix: "sometimes" } }, /espfix/],
    [{ program: "file:///w/bad.asm" }, /bad.asm has an error: 2:/],
    [{ program: "file:///w/data.bin" }, /no program/],
  ])("refuses %j in one clear sentence", async (configuration, message) => {
    const client = new DapClient({
      ...files,
      "file:///w/bad.asm": "bits 64\n mvo eax, 1\n",
      "file:///w/data.bin": new Uint8Array(64),
    });
    await client.ok("initialize", { adapterID: "ringside" });
    const response = await client.request("launch", configuration);
    expect(response.success).toBe(false);
    expect(response.message).toMatch(message);
    expect(response.message).not.toMatch(/\n|bug in Ringside/);
  });
});

describe("breakpoints", () => {
  it("stop at a source line before it runs", async () => {
    const { client } = await started({}, async (c) => {
      const { breakpoints } = await c.ok("setBreakpoints", { source, breakpoints: [{ line: 14 }, { line: 17 }] });
      expect(breakpoints[0]).toMatchObject({ verified: true, line: 14 });
      expect(breakpoints[1]).toMatchObject({ verified: false });
    });
    const stop = await client.run("continue");
    expect(stop.reason).toBe("breakpoint");
    expect((await client.topFrame()).line).toBe(14);
    expect(client.output()).toBe("hello\n");
  });

  it("honour conditions, hit counts and log messages", async () => {
    const { client } = await started({ stopOnEntry: false }, (c) =>
      c.ok("setBreakpoints", {
        source,
        breakpoints: [
          { line: 14, condition: "edi == 99" },
          { line: 15, logMessage: "rbx is {rbx,d}" },
          { line: 16, condition: "rbx == 42", hitCondition: "1" },
        ],
      }),
    );
    expect((await client.topFrame()).line).toBe(16);
    expect(client.events.find(({ body }) => body?.category === "console")?.body).toMatchObject({
      output: "rbx is 21\n",
      source: { path: source.path },
      line: 15,
    });
  });

  it("stop at labels and at addresses", async () => {
    const { client } = await started({}, (c) =>
      c.ok("setFunctionBreakpoints", { breakpoints: [{ name: "twice" }, { name: "nowhere" }] }),
    );
    const stop = await client.run("continue");
    expect(stop.reason).toBe("function breakpoint");
    const { instructionPointerReference } = await client.topFrame();
    const { instructions } = await client.ok("disassemble", {
      memoryReference: instructionPointerReference,
      instructionCount: 2,
    });
    await client.ok("setInstructionBreakpoints", { breakpoints: [{ instructionReference: instructions[1].address }] });
    expect((await client.run("continue")).reason).toBe("instruction breakpoint");
    expect((await client.topFrame()).line).toBe(15);
  });

  it("stop in the kernel's own entry code", async () => {
    const { client } = await started({}, (c) =>
      c.ok("setFunctionBreakpoints", { breakpoints: [{ name: "entry_SYSCALL_64" }] }),
    );
    await client.run("continue");
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    expect(stackFrames[0].name).toMatch(/^entry_SYSCALL_64 {2}\[ring 0, 64-bit\]/);
    expect(stackFrames[0].source.sourceReference).toBeGreaterThan(0);
    const { content } = await client.ok("source", { sourceReference: stackFrames[0].source.sourceReference });
    expect(content.split("\n")[stackFrames[0].line - 1]).toMatch(/swapgs/);
  });
});

describe("steps", () => {
  it("go over a call and a system call, and into a call", async () => {
    const { client } = await started({}, (c) => c.ok("setBreakpoints", { source, breakpoints: [{ line: 9 }] }));
    await client.run("continue");
    await client.run("next");
    expect((await client.topFrame()).line).toBe(10);
    await client.run("next");
    expect((await client.topFrame()).line).toBe(11);
    expect(await client.evaluate("rbx,d")).toBe("42");
  });

  it("go over a system call with the signal handler that it lets run, and over sigreturn to what was interrupted", async () => {
    const text = `        bits 64
        global _start
_start: mov eax, 13
        mov edi, 10
        lea rsi, [rel act]
        xor edx, edx
        mov r10d, 8
        syscall
        mov eax, 39
        syscall
        mov edi, eax
        mov esi, 10
        mov eax, 62
raised: syscall
        nop
        mov eax, 60
        xor edi, edi
        syscall
handler: ret
restorer: mov eax, 15
back:   syscall
        section .data
act:    dq handler, 0x04000000, restorer, 0
`;
    const at = async (name: string) => {
      const client = new DapClient({ "file:///w/s.asm": text });
      const breakpoints = [{ name }];
      await client.launch({ program: "file:///w/s.asm", cpu: { count: 1 } }, () =>
        client.ok("setFunctionBreakpoints", { breakpoints }),
      );
      await client.run("continue");
      await client.run("next");
      return (await client.topFrame()).name.replace(/ {2}.*/, "");
    };
    expect([await at("raised"), await at("back")]).toEqual(["raised+0x2", "raised+0x2"]);
  });

  it("go into and out of a call", async () => {
    const { client } = await started({}, (c) => c.ok("setBreakpoints", { source, breakpoints: [{ line: 10 }] }));
    await client.run("continue");
    await client.run("stepIn");
    expect((await client.topFrame()).line).toBe(14);
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    // a caller is shown at its call
    expect(stackFrames[1]).toMatchObject({ line: 10 });
    await client.run("stepOut");
    expect((await client.topFrame()).line).toBe(11);
  });

  it("go into the kernel with stepIntoKernel, see TS_COMPAT off, and out again", async () => {
    const { client } = await started({ stepIntoKernel: true }, (c) =>
      c.ok("setBreakpoints", { source, breakpoints: [{ line: 9 }] }),
    );
    await client.run("continue");
    await client.run("stepIn");
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    expect(stackFrames[0].name).toContain("entry_SYSCALL_64");
    expect(await client.evaluate("TS_COMPAT")).toBe("0");
    for (let i = 0; i < 30; i++) await client.run("stepIn", { granularity: "instruction" });
    const user = (await client.ok("stackTrace", { threadId: 1 })).stackFrames.find(
      (frame: { line: number }) => frame.line === 10,
    );
    expect(user?.source.path).toBe("/w/hello.asm");
    await client.run("stepOut");
    expect((await client.topFrame()).line).toBe(10);
  });
});

describe("state", () => {
  it("shows registers, segments with hidden parts, flags, task, pt_regs and espfix", async () => {
    const { client } = await started();
    await client.run("next");
    expect((await client.scope("Registers")).get("rax")?.value).toBe("0x0000000000000001");
    const cs = (await client.scope("Segments")).get("cs")!;
    expect(cs.value).toMatch(/^0x0033 {2}64-bit code/);
    expect((await client.scope("Segments")).get("tr")?.value).toMatch(/ {2}TSS, busy, base 0x/);
    expect((await client.variables(cs.variablesReference)).get("cs.l")?.value).toBe("1");
    expect((await client.scope("Flags")).get("IF")?.value).toBe("1");
    const task = await client.scope("Task");
    expect(task.get("TS_COMPAT")?.value).toBe("0");
    const flags = await client.variables(task.get("thread_info.flags")!.variablesReference);
    expect([...flags.keys()]).toContain("TIF_SIGPENDING");
    expect((await client.scope("pt_regs")).has("ip")).toBe(true);
    expect((await client.scope("espfix")).get("page walk")?.value).toBe("4 levels");
  });

  it("changes registers, memory and flags, and the program goes on with them", async () => {
    const { client } = await started({}, (c) => c.ok("setBreakpoints", { source, breakpoints: [{ line: 15 }] }));
    await client.run("continue");
    const frame = await client.topFrame();
    const { scopes } = await client.ok("scopes", { frameId: frame.id });
    await client.ok("setVariable", { variablesReference: scopes[0].variablesReference, name: "rbx", value: "100" });
    await client.run("next");
    expect(await client.evaluate("rbx,d")).toBe("200");
    await client.ok("setExpression", { expression: "byte [msg]", value: "'J'" });
    const { data } = await client.ok("readMemory", {
      memoryReference: await client.evaluate("msg").then((text) => text.split(" ")[0]),
      count: 5,
    });
    expect(atob(data)).toBe("Jello");
    expect((await client.request("evaluate", { expression: "rbx = 5", context: "hover" })).success).toBe(false);
    expect((await client.request("evaluate", { expression: "rbx = 5", context: "watch" })).success).toBe(false);
    expect((await client.ok("evaluate", { expression: "rbx = 5", context: "repl" })).result).toBe("0x5");
    const hover = async (expression: string) => (await client.ok("evaluate", { expression, context: "hover" })).result;
    expect(await hover("msg")).toMatch(/^0x402000 <msg>: "Jello\\n"$/);
    expect(await hover("len + 10")).toBe("0x10 = 16");
    expect(await hover("twice")).toMatch(/^0x[\da-f]+ <twice>$/);
  });

  it("writes memory, and refuses what is not mapped", async () => {
    const { client } = await started();
    const memoryReference = (await client.evaluate("msg")).split(" ")[0];
    expect(await client.ok("writeMemory", { memoryReference, data: btoa("HELLO") })).toMatchObject({ bytesWritten: 5 });
    await client.run("continue");
    expect(client.output()).toBe("HELLO\n");
    const missing = await client.request("writeMemory", { memoryReference: "0x10", data: btoa("x") });
    expect(missing.success).toBe(false);
  });

  it("disassembles before and after an address", async () => {
    const { client } = await started({}, (c) => c.ok("setBreakpoints", { source, breakpoints: [{ line: 9 }] }));
    await client.run("continue");
    const { instructionPointerReference } = await client.topFrame();
    const { instructions } = await client.ok("disassemble", {
      memoryReference: instructionPointerReference,
      instructionOffset: -4,
      instructionCount: 6,
    });
    expect(instructions.map((line: { instruction: string }) => line.instruction.split(" ")[0])).toEqual([
      "mov",
      "mov",
      "lea",
      "mov",
      "syscall",
      "call",
    ]);
    // what the bytes name by an address, where that has a name
    expect(instructions.map((line: { instruction: string }) => line.instruction.split(" ; ")[1])).toEqual([
      undefined,
      undefined,
      "msg",
      undefined,
      undefined,
      "twice",
    ]);
  });
});

describe("disassembly of code in several modes", () => {
  it("reads each part in the mode that it was assembled for, whichever runs", async () => {
    const modes =
      "bits 64\nglobal _start\n_start: mov rax, rbx\n push r9\nbits 32\nthere: mov eax, [ebx]\n inc eax\nbits 16\n mov ax, [bx]\n";
    const client = new DapClient({ [program]: modes });
    await client.launch({ program });
    const texts = async (memoryReference: string, instructionOffset: number) =>
      (await client.ok("disassemble", { memoryReference, instructionOffset, instructionCount: 5 })).instructions.map(
        ({ instruction }: { instruction: string }) => instruction,
      );
    const all = ["mov rax, rbx", "push r9", "mov eax, [ebx]", "inc eax", "mov ax, [bx]"];
    expect(await texts("0x401000", 0)).toEqual(all);
    expect(await texts((await client.evaluate("there")).split(" ")[0]!, -2)).toEqual(all);
  });
});

describe("disassembly where nothing is mapped", () => {
  it("is a line for each page, forwards and backwards, until code comes again", async () => {
    const { client } = await started();
    const around = async (memoryReference: string, instructionOffset: number, instructionCount: number) => {
      const asked = { memoryReference, instructionOffset, instructionCount };
      const { instructions } = await client.ok("disassemble", asked);
      return instructions.map(
        ({ address, instruction }: Record<string, string>) => `${Number(address)} ${instruction}`,
      );
    };
    const page = (number: number) => `${number * 0x1000} (not mapped)`;
    expect(await around("0x3fe000", 0, 4)).toEqual([page(0x3fe), page(0x3ff), page(0x400), `${0x401000} mov eax, 1`]);
    expect(await around("0x404000", -3, 3)).toEqual([
      `${0x402ffc} add [rax], al`,
      `${0x402ffe} add [rax], al`,
      page(0x403),
    ]);
    expect(await around("0x300004", -2, 5)).toEqual([
      page(0x2ff),
      page(0x300),
      `${0x300004} (not mapped)`,
      page(0x301),
      page(0x302),
    ]);
    expect(await around("0x1000", -4, 5)).toEqual(["-3 ", "-2 ", "-1 ", page(0), page(1)]);
  });

  it("is nothing for an editor that has no place to show", async () => {
    const { client } = await started();
    const asked = { memoryReference: "", instructionOffset: -50, instructionCount: 50 };
    expect(await client.ok("disassemble", asked)).toEqual({ instructions: [] });
  });
});

describe("the protocol", () => {
  it("answers unknown requests, and requests at the wrong time, with an error", async () => {
    const client = new DapClient(files);
    for (const command of ["nonsense", "toString", "stackTrace", "continue", "evaluate", "ringside/kernelState"]) {
      const response = await client.request(command, {});
      expect(response.success).toBe(false);
      expect(response.message).not.toContain("bug in Ringside");
    }
  });

  it("pauses an endless loop, restarts, and terminates", async () => {
    const loop = "file:///w/loop.asm";
    const client = new DapClient({ [loop]: "bits 64\nglobal _start\n_start: inc rax\n jmp _start\n" });
    await client.launch({ program: loop });
    const stopped = client.next("stopped");
    await client.ok("continue", { threadId: 1 });
    expect((await client.request("stackTrace", { threadId: 1 })).message).toContain("running");
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.ok("pause", { threadId: 1 });
    expect((await stopped).reason).toBe("pause");
    expect(BigInt((await client.evaluate("rax")).split(" ")[0]!)).toBeGreaterThan(1000n);
    const again = client.next("stopped");
    await client.ok("restart", {});
    expect((await again).reason).toBe("entry");
    expect(await client.evaluate("rax")).toBe("0x0");
    const terminated = client.next("terminated");
    await client.ok("terminate", {});
    await terminated;
  });

  describe("at a fatal signal", () => {
    const crash = "file:///w/crash.asm";
    const at = async (text: string, more: object = {}) => {
      const client = new DapClient({ [crash]: `bits 64\nglobal _start\n_start: ${text}\nsection .data\nx: dd 5\n` });
      await client.launch({ program: crash, ...more }, () =>
        client.ok("setExceptionBreakpoints", { filters: ["fatal"] }),
      );
      return client;
    };
    const FAULT = "inc dword [x]\n mov eax, [0x10]\n nop";
    const exits = (client: DapClient) => client.events.flatMap(({ event, body }) => (event === "exited" ? [body] : []));

    it("stops where it came from, all of the program still there, and says what happened", async () => {
      const client = await at(FAULT);
      expect(await client.run("continue")).toMatchObject({ reason: "exception", description: "SIGSEGV", threadId: 1 });
      expect((await client.ok("exceptionInfo", { threadId: 1 })).exceptionId).toMatch(/SIGSEGV/);
      expect(await client.topFrame()).toMatchObject({ line: 4, name: expect.stringMatching(/^_start/) });
      expect(await client.evaluate("dword [x],d")).toBe("6");
      await client.run("continue");
      expect(exits(client)).toEqual([{ exitCode: 128 + 11 }]);
    });

    it("stops again after going back, and from a later one with reverse continue", async () => {
      const client = await at(FAULT);
      await client.run("continue");
      await client.run("stepBack");
      expect((await client.topFrame()).line).toBe(3);
      expect(await client.run("continue")).toMatchObject({ reason: "exception", threadId: 1 });
      expect((await client.topFrame()).line).toBe(4);
      await client.run("next");
      expect(exits(client)).toEqual([{ exitCode: 128 + 11 }]);
      expect(await client.run("reverseContinue")).toMatchObject({ reason: "exception", threadId: 1 });
      expect((await client.topFrame()).line).toBe(4);
      expect(await client.run("reverseContinue")).toMatchObject({ reason: "entry" });
    });

    it("stops in the kernel where that is stepped through, else at the system call that has sent it", async () => {
      const client = await at(FAULT, { stepIntoKernel: true });
      await client.run("continue");
      expect((await client.topFrame()).name).toMatch(/ring 0/);
      const kill = await at("mov eax, 39\n syscall\n mov edi, eax\n mov esi, 15\n mov eax, 62\n syscall\n nop");
      expect(await kill.run("continue")).toMatchObject({ description: "SIGTERM", threadId: 1 });
      expect(await kill.topFrame()).toMatchObject({ line: 8 });
      expect(await kill.evaluate("dword [x],d")).toBe("5");
    });
  });
});

describe("between the parts of the kernel's C half", () => {
  const compat = "file:///w/compat.asm";
  const SOURCE = "bits 64\nglobal _start\n_start: mov eax, 20\n int 0x80\n int3\n";

  it("TS_COMPAT is seen set while a 32-bit system call runs, and clear after it", async () => {
    const client = new DapClient({ [compat]: SOURCE });
    await client.launch({ program: compat }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "do_syscall_32_irqs_on" }] }),
    );
    await client.run("continue");
    expect(await client.evaluate("TS_COMPAT")).toBe("1");
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    expect(stackFrames.map(({ name }: { name: string }) => name.split(/[+ ]/)[0])).toEqual(
      expect.arrayContaining(["do_syscall_32_irqs_on", "do_int80_emulation", "asm_int80_emulation", "_start"]),
    );
    const state = await client.ok("ringside/kernelState");
    expect(state.status[0]).toMatchObject({ name: "TS_COMPAT", value: "0x2", lastChanged: { by: "syscall_32_enter" } });
    await client.run("stepOut");
    await client.run("stepOut");
    await client.run("stepOut");
    expect(await client.evaluate("cpl")).toBe("0x3");
    expect(await client.evaluate("TS_COMPAT")).toBe("0");
  });

  it("TIF_SIGPENDING is seen set between the trap and the delivery of its signal", async () => {
    const client = new DapClient({ [compat]: SOURCE });
    await client.launch({ program: compat }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "exc_int3" }] }),
    );
    await client.run("continue");
    expect(await client.evaluate("TIF_SIGPENDING")).toBe("0");
    await client.run("next");
    expect(await client.evaluate("TIF_SIGPENDING")).toBe("1");
  });
});

describe("an instruction that faults and begins again, or goes on", () => {
  const touches = "file:///w/touches.asm";
  const TOUCHES = `
        bits 64
        global _start
_start: mov byte [far], 1       ; line 4: its page is not there yet
        lea rdi, [far + 0x1000]
        mov ecx, 0x100000
        rep stosb               ; line 7: a page after the other
        lea rdi, [far + 0x1000]
        mov ecx, 0x100000
        rep stosb               ; line 10: they are all there
        mov eax, 60
        xor edi, edi
        syscall
        section .bss
        resb 0x1000
far:    resb 0x102000
`;
  const breakpoints = [{ line: 4 }, { line: 7 }, { line: 10 }, { line: 11 }];

  it("is one hit of a breakpoint at it, forwards and backwards", async () => {
    const client = new DapClient({ [touches]: TOUCHES });
    await client.launch({ program: touches, stopOnEntry: false }, () =>
      client.ok("setBreakpoints", { source: { path: "/w/touches.asm" }, breakpoints }),
    );
    const lines = [(await client.topFrame()).line];
    for (const command of [
      "continue",
      "continue",
      "continue",
      "reverseContinue",
      "reverseContinue",
      "reverseContinue",
    ]) {
      await client.run(command);
      lines.push((await client.topFrame()).line);
      const rcx = await client.evaluate("ecx");
      expect(["0x0", "0x00000000", "0x00100000", "0x100000"]).toContain(rcx);
    }
    expect(lines).toEqual([4, 7, 10, 11, 10, 7, 4]);
  });
});
