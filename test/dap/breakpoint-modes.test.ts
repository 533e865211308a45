/** Breakpoints by physical address and by selector and offset, over the protocol. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/modes.asm";
const source = { name: "modes.asm", path: "/w/modes.asm" };
const address = async (client: DapClient, expression: string) => (await client.evaluate(expression)).split(" ")[0]!;

it("the modes are announced", async () => {
  const client = new DapClient({});
  const { breakpointModes } = await client.ok("initialize", { adapterID: "ringside" });
  expect(breakpointModes.map(({ mode }: { mode: string }) => mode)).toEqual(["linear", "physical", "segmented"]);
});

/** A child moves a shared page to another address, and runs it there. */
const MOVED = `
        bits 64
        global _start
_start: mov eax, 9
        xor edi, edi
        mov esi, 4096
        mov edx, 7
        mov r10d, 0x21          ; MAP_SHARED | MAP_ANONYMOUS
        mov r8, -1
        xor r9d, r9d
        syscall
        mov rbx, rax
        mov dword [rbx], 0x00002ab8     ; mov eax, 42
        mov word [rbx+4], 0xc300        ; ret
        mov eax, 57                     ; line 15: fork
        syscall
        test eax, eax
        jz child
        mov edi, eax
        xor esi, esi
        xor edx, edx
        xor r10d, r10d
        mov eax, 61
        syscall
        xor edi, edi
        jmp exit
child:  mov rdi, rbx
        mov esi, 4096
        mov edx, 4096
        mov r10d, 3             ; MREMAP_MAYMOVE | MREMAP_FIXED
        mov r8d, 0x70000000
        mov eax, 25
        syscall
        call rax
        mov edi, eax
exit:   mov eax, 60
        syscall
`;

describe("a physical breakpoint", () => {
  const beforeFork = async () => {
    const client = new DapClient({ [program]: MOVED });
    await client.launch({ program }, () => client.ok("setBreakpoints", { source, breakpoints: [{ line: 15 }] }));
    await client.run("continue");
    return client;
  };

  it("is met by another linear address of another process", async () => {
    const client = await beforeFork();
    const instructionReference = await address(client, "rbx");
    const { breakpoints } = await client.ok("setInstructionBreakpoints", {
      breakpoints: [{ instructionReference, mode: "physical" }],
    });
    expect(breakpoints[0].verified).toBe(true);
    const stop = await client.run("continue");
    expect(stop).toMatchObject({ reason: "instruction breakpoint", hitBreakpointIds: [breakpoints[0].id] });
    expect(await client.evaluate("rip")).toMatch(/^0x70000000\b/);
    expect(await client.evaluate("task.pid,d")).toBe("1001");
    // and again when time goes backwards
    await client.run("next", { granularity: "instruction" });
    const back = await client.run("reverseContinue");
    expect(back.hitBreakpointIds).toEqual([breakpoints[0].id]);
    expect(await client.evaluate("rip")).toMatch(/^0x70000000\b/);
  });

  it("is not met as a linear one would be", async () => {
    const client = await beforeFork();
    const instructionReference = await address(client, "rbx");
    await client.ok("setInstructionBreakpoints", { breakpoints: [{ instructionReference, mode: "linear" }] });
    await client.run("continue");
    expect(client.events.at(-1)?.event).toBe("terminated");
  });

  it("is refused where nothing is mapped, and for modes that there are not", async () => {
    const client = await beforeFork();
    const refused = async (instructionReference: string, mode: string) => {
      const answer = await client.ok("setInstructionBreakpoints", { breakpoints: [{ instructionReference, mode }] });
      expect(answer.breakpoints[0].verified).toBe(false);
      return answer.breakpoints[0].message;
    };
    expect(await refused("0x10", "physical")).toContain("nothing is mapped there");
    expect(await refused("0x10", "hardware")).toContain('no breakpoint mode "hardware"');
  });
});

describe("a physical data breakpoint", () => {
  const espfix = readFileSync(path.join(import.meta.dirname, "../../scenarios/espfix/espfix.asm"), "utf8");
  const watchingAlias = async (mode: string) => {
    const client = new DapClient({ [program]: espfix });
    await client.launch({ program }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "native_irq_return_ldt" }] }),
    );
    await client.run("continue");
    await client.ok("setFunctionBreakpoints", { breakpoints: [] });
    // the second word of the ministack is where IRET finds RIP
    const name = `0x${(BigInt(await address(client, "espfix.alias")) + 8n).toString(16)}`;
    const info = await client.ok("dataBreakpointInfo", { name, asAddress: true, bytes: 8, mode });
    const { breakpoints } = await client.ok("setDataBreakpoints", {
      breakpoints: [{ dataId: info.dataId, accessType: "write" }],
    });
    expect(breakpoints[0].verified).toBe(true);
    return { client, info, stop: await client.run("continue") };
  };

  it("sees the write through the writable mapping of an espfix stack, where its alias is watched", async () => {
    const { client, info, stop } = await watchingAlias("physical");
    expect(info.description).toContain("physical 0x");
    expect(stop.reason).toBe("data breakpoint");
    const frame = await client.topFrame();
    expect(frame.name).toMatch(/ring 0/);
    // the write went to the other address
    const { instructions } = await client.ok("disassemble", {
      memoryReference: frame.instructionPointerReference,
      instructionOffset: -1,
      instructionCount: 1,
    });
    expect(instructions[0].instruction).toMatch(/^mov .*\[rdi\+8\], ?rax/);
    const written = BigInt(await address(client, "rdi")) + 8n;
    expect(written).not.toBe(BigInt(info.description.match(/^0x[\da-f]+/)[0]));
  });

  it("as a linear one would not", async () => {
    const { client, stop } = await watchingAlias("linear");
    expect(stop?.reason).not.toBe("data breakpoint");
    expect(client.events.at(-1)?.event).toBe("terminated");
  });
});

/** The same bytes run flat, and then by a code segment of the LDT that begins there. */
const SEGMENTED = `
        bits 64
        global _start
_start: call code
        mov eax, 154            ; modify_ldt
        mov edi, 1
        mov esi, entry
        mov edx, 16
        syscall
        push 7
        push 0
        retfq
        section .text
        align 16
code:   nop                     ; line 15
        ret
        section .data
entry:  dd 0, code, 0xfffff, 0x55
`;

describe("a breakpoint by selector and offset", () => {
  it("set before the selector means anything, is met by code of that segment only", async () => {
    const client = new DapClient({ [program]: SEGMENTED });
    await client.launch({ program });
    const { breakpoints } = await client.ok("setInstructionBreakpoints", {
      breakpoints: [{ instructionReference: "0x7:0x0", mode: "segmented" }],
    });
    const stop = await client.run("continue");
    expect(stop).toMatchObject({ reason: "instruction breakpoint", hitBreakpointIds: [breakpoints[0].id] });
    expect([await client.evaluate("cs"), await client.evaluate("eip")]).toEqual(["0x0007", "0x00000000"]);
    expect((await client.topFrame()).name).toContain("32-bit");
  });

  it("of a source line is the segment that runs it now", async () => {
    const client = new DapClient({ [program]: SEGMENTED });
    await client.launch({ program });
    const { breakpoints } = await client.ok("setBreakpoints", {
      source,
      breakpoints: [{ line: 15, mode: "segmented" }],
    });
    const stop = await client.run("continue");
    expect(stop.hitBreakpointIds).toEqual([breakpoints[0].id]);
    expect(await client.evaluate("cs")).toBe("0x0033");
    await client.run("continue");
    expect(client.events.at(-1)?.event).toBe("terminated");
  });

  it("is met in v8086 mode", async () => {
    const vm86 = readFileSync(path.join(import.meta.dirname, "../../scenarios/vm86/vm86.asm"), "utf8");
    const client = new DapClient({ [program]: vm86 });
    await client.launch({ program, arch: "i386", bits: 32 });
    await client.ok("setInstructionBreakpoints", { breakpoints: [{ instructionReference: "0x1000:0" }] });
    const stop = await client.run("continue");
    expect(stop.reason).toBe("instruction breakpoint");
    expect([await client.evaluate("cs"), await client.evaluate("ip"), await client.evaluate("VM")]).toEqual([
      "0x1000",
      "0x0000",
      "1",
    ]);
  });
});
