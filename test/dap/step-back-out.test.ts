/** Back out of what nothing has called: signal handlers, the kernel's entry code, v8086 code. The way leads to what was interrupted for it. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/out.asm";

/** Two handlers; `raised` is how the first signal comes. */
const handling = (raised: string) => `        bits 64
        global _start
_start: mov edi, 10
        lea rsi, [rel act]
        call install
        mov edi, 12
        lea rsi, [rel act2]
        call install
        mov eax, 39
        syscall
        ${raised}
after:  mov eax, 60
        xor edi, edi
        syscall
install: xor edx, edx
        mov r10d, 8
        mov eax, 13
        syscall
        ret
handler: nop
        call inner
        mov edi, ebx
        mov eax, 39
        syscall
        mov edi, eax
        mov esi, 12
        mov eax, 62
        syscall
        ret
inner:  nop
        ret
second: nop
        ret
restorer: mov eax, 15
        syscall
        section .data
act:    dq handler, 0x04000000, restorer, 0
act2:   dq second, 0x04000000, restorer, 0
`;
const KILL = "mov edi, eax\n mov esi, 10\n mov eax, 62\nraised: syscall";
const SPIN = "raised: jmp raised";

async function at(text: string, label: string, more: object = {}): Promise<DapClient> {
  const client = new DapClient({ [program]: text });
  await client.launch({ program, cpu: { count: 1 }, ...more }, () =>
    client.ok("setFunctionBreakpoints", { breakpoints: [{ name: label }] }),
  );
  await client.run("continue");
  expect(await nameOf(client)).toBe(label);
  return client;
}

const nameOf = async (client: DapClient) => (await client.topFrame()).name.replace(/ {2}.*/, "");
const icountOf = async (client: DapClient): Promise<number> => (await client.ok("ringside/time")).icount;
const backOut = async (client: DapClient) => {
  const before = await icountOf(client);
  const stop = await client.run("ringside/stepBackOut");
  expect(stop).toMatchObject({ reason: "step" });
  expect(await icountOf(client)).toBeLessThan(before);
  return nameOf(client);
};

describe("stepping back out", () => {
  it.each([0, 1, 7])("of a signal's handler, %i steps in, goes to the system call that let it in", async (steps) => {
    const client = await at(handling(KILL), "handler");
    for (let i = 0; i < steps; i++) await client.run("next", { granularity: "instruction" });
    expect(await backOut(client)).toBe("raised");
    expect(await client.evaluate("eax,d")).toBe("62");
    expect(await client.evaluate("cpl")).toBe("0x3");
    // and forwards it comes again
    await client.run("continue");
    expect(await nameOf(client)).toBe("handler");
  });

  it("of a function that the handler calls goes to the handler; of the restorer, to what was interrupted", async () => {
    const client = await at(handling(KILL), "inner");
    expect(await backOut(client)).toBe("handler+0x1");
    const behind = await at(handling(KILL), "restorer");
    // the first to return is the second signal's handler
    expect(await backOut(behind)).toMatch(/^handler\+/);
    expect(await backOut(behind)).toBe("raised");
  });

  it("of a handler that has interrupted another goes to that one", async () => {
    const client = await at(handling(KILL), "second");
    expect(await backOut(client)).toMatch(/^handler\+/);
    expect(await client.evaluate("eax,d")).toBe("62");
    expect(await backOut(client)).toBe("raised");
  });

  it("of a handler that an interrupt has let in goes to the instruction that was struck", async () => {
    const inject = [{ at: "raised", event: "signal:SIGUSR1", count: 1 }];
    const client = await at(handling(SPIN), "handler", { inject });
    expect(await backOut(client)).toBe("raised");
    expect(await client.evaluate("cpl")).toBe("0x3");
  });

  it("of the kernel's entry code goes to the system call, from its first instruction and from behind", async () => {
    const client = await at(handling(KILL), "entry_SYSCALL_64");
    expect(await backOut(client)).toBe("install+0xd");
    await client.run("stepIn", { granularity: "instruction", targetId: 2 });
    for (let i = 0; i < 3; i++) await client.run("stepIn", { granularity: "instruction" });
    expect(await client.evaluate("cpl")).toBe("0x0");
    expect(await backOut(client)).toBe("install+0xd");
  });

  it("of an interrupt in the kernel goes to the kernel code that was struck", async () => {
    const inject = [{ at: "do_syscall_64", event: "nmi", count: 1 }];
    const client = await at(handling(KILL), "asm_exc_nmi", { inject });
    expect(await backOut(client)).toBe("do_syscall_64");
    expect(await client.evaluate("cpl")).toBe("0x0");
  });

  it("where nobody knows a caller says so, and stays", async () => {
    const client = new DapClient({ [program]: handling(KILL) });
    await client.launch({ program });
    const before = await icountOf(client);
    const { success, message } = await client.request("ringside/stepBackOut", { threadId: client.thread });
    expect([success, message]).toEqual([false, "there is no caller to go back to"]);
    expect(await icountOf(client)).toBe(before);
  });
});
