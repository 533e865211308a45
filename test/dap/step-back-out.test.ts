/** Back out of what nothing has called: signal handlers, the kernel's entry code, v8086 code. The way leads to what was interrupted for it. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { INTO_KERNEL } from "../../src/adapter/debug/step-targets.ts";
import { hostFiles } from "../../src/cli/host-files.ts";
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
  const { source } = await client.topFrame();
  // code without a source is shown in a disassembly
  const reason = source === undefined ? "instruction breakpoint" : "step";
  expect(stop).toMatchObject({ reason, description: "Paused on step, in the past" });
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

describe("stepping back out of v8086 code", () => {
  const folder = path.resolve(import.meta.dirname, "../../scenarios/vm86");
  const { launch } = JSON.parse(readFileSync(path.join(folder, "scenario.json"), "utf8"));
  const step = (client: DapClient, more: object = {}) => client.run("stepIn", { granularity: "instruction", ...more });
  const goTo = (client: DapClient, icount: number) => client.run("ringside/goToInstruction", { icount });
  const isInV86 = async (client: DapClient) => / {2}\[.*v86\]$/.test((await client.topFrame()).name);

  /** Before each of the four system calls that enter it, and the instants at which the client then stood in it, instruction by instruction. */
  async function* entries(client: DapClient) {
    const breakpoints = [{ name: "enter_vm86" }];
    await client.launch({ ...launch, program: path.join(folder, "vm86.asm") }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints }),
    );
    for (let entry = 0; entry < 4; entry++) {
      await client.run("continue");
      for (let i = 0; i < 3; i++) await step(client);
      const call = await icountOf(client);
      expect(await nameOf(client)).toBe("enter_vm86+0xf");
      const inside: number[] = [];
      for (await step(client); await isInV86(client); await step(client)) inside.push(await icountOf(client));
      yield { call, inside, left: await icountOf(client) };
      await goTo(client, inside.at(-1)!);
    }
  }

  it("goes to the system call that entered it, however far in, whatever was emulated meanwhile; forwards is back where it was", async () => {
    const client = new DapClient(hostFiles);
    const lengths: number[] = [];
    for await (const { call, inside } of entries(client)) {
      lengths.push(inside.length);
      for (const instant of inside) {
        await goTo(client, instant);
        expect(await isInV86(client)).toBe(true);
        expect(await backOut(client)).toBe("enter_vm86+0xf");
        expect(await icountOf(client)).toBe(call);
        for (let i = 0; i <= inside.indexOf(instant); i++) await step(client);
        expect(await icountOf(client)).toBe(instant);
      }
    }
    // INT comes out; CLI is emulated inside
    expect(lengths).toEqual([3, 2, 1, 1]);
  });

  it("from the kernel's handling of a trap goes to the v8086 instruction; from the handler of a signal, too", async () => {
    const client = new DapClient(hostFiles);
    const names: string[] = [];
    for await (const { inside, left } of entries(client)) {
      const last = inside.at(-1)!;
      await goTo(client, left);
      names.push(await nameOf(client));
      if (names.at(-1) === "handler") {
        await backOut(client);
        expect(await icountOf(client)).toBe(last);
      }
      await goTo(client, last);
      // the trap's entry counts as an instruction
      for (let i = 0; i < 30; i++) await step(client, { targetId: INTO_KERNEL });
      expect(await client.evaluate("cpl")).toBe("0x0");
      await backOut(client);
      expect(await icountOf(client)).toBe(last);
      expect(await isInV86(client)).toBe(true);
    }
    expect(names).toEqual(["enter_vm86+0x11", "enter_vm86+0x11", "enter_vm86+0x11", "handler"]);
  });
});
