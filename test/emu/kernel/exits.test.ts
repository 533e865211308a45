/** Which exit a system call takes is decided by the entry code that runs: changing one jump in it changes the exit. */
import { describe, expect, test } from "vitest";
import entry64 from "../../../src/emu/kernel/entry/entry_64.S?raw";
import { exits, run, source } from "./kit.ts";

const GETPID = `
	.globl _start
_start:	mov $39, %eax
	syscall
	mov $60, %eax
	xor %edi, %edi
	syscall
`;
/** A signal handler whose return changes one thing that SYSRET cannot restore. */
const sigreturn = (change: string) => `
	.globl _start
_start:	lea -256(%rsp), %rsp
	mov $13, %eax			# rt_sigaction(SIGUSR1, &action, 0, 8)
	mov $10, %edi
	lea action(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	mov $39, %eax
	syscall
	mov %eax, %edi
	mov $62, %eax			# kill(getpid(), SIGUSR1)
	mov $10, %esi
	syscall
after:	mov $60, %eax
	xor %edi, %edi
	syscall
handler: ${change}
	ret
restore: mov $15, %eax
	syscall
	.data
action:	.quad handler, 0x04000000, restore, 0
`;

const replaced = (from: string, to: string) => {
  expect(entry64).toContain(from);
  return { uri: "my-entry.S", text: entry64.replace(from, to) };
};

describe("opportunistic SYSRET", () => {
  test("a clean system call leaves by SYSRET, every check passed", () => {
    const [, exit] = exits(run(source(GETPID)).events);
    expect(exit).toMatchObject({ instruction: "sysret", entry: "entry_SYSCALL_64" });
    expect(exit).not.toHaveProperty("firstFailing");
    expect(exit!.path).toEqual([
      "sysret_check_rcx_rip",
      "sysret_check_canonical",
      "sysret_check_cs",
      "sysret_check_r11_flags",
      "sysret_check_rf_tf",
      "sysret_check_ss",
      "syscall_return_via_sysret",
    ]);
  });

  test("a program begins by IRET", () => {
    expect(exits(run(source(GETPID)).events)[0]).toMatchObject({ instruction: "iret", entry: "ret_from_fork" });
  });

  test.each([
    // offsets of ucontext at rdx: 40 + 8 * n in sigcontext, r8 first
    ["rcx is not rip", "movq $5, 152(%rdx)", "sysret_check_rcx_rip"],
    ["cs is another", "lea after(%rip), %rax; mov %rax, 152(%rdx); movw $0x23, 184(%rdx)", "sysret_check_cs"],
    [
      "r11 is not the flags",
      "lea after(%rip), %rax; mov %rax, 152(%rdx); mov %rax, 168(%rdx); movq $5, 64(%rdx)",
      "sysret_check_r11_flags",
    ],
    [
      "RF is set",
      "lea after(%rip), %rax; mov %rax, 152(%rdx); mov %rax, 168(%rdx); orq $0x10000, 176(%rdx); mov 176(%rdx), %rax; mov %rax, 64(%rdx)",
      "sysret_check_rf_tf",
    ],
  ])("%s: IRET", (_name, change, failing) => {
    const { events } = run(source(sigreturn(change)));
    const found = events.findIndex((e) => e.type === "syscall" && e.name === "rt_sigreturn");
    const exit = exits(events.slice(found))[0];
    expect(exit).toMatchObject({ instruction: "iret", firstFailing: failing });
  });

  test("rip is not canonical: IRET, which refuses it", () => {
    const change = "movabs $0x800000000000, %rax; mov %rax, 168(%rdx); mov %rax, 152(%rdx)";
    const ran = run(source(sigreturn(change)));
    const refused = ran.events.find((e) => e.type === "exit-refused");
    expect(refused).toMatchObject({ instruction: "iret", firstFailing: "sysret_check_canonical", vector: 13 });
    expect(ran.stop).toEqual({ kind: "exit", status: 139, signal: 11 });
  });

  test("one conditional jump made unconditional: every system call leaves by IRET", () => {
    const label = "LABEL sysret_check_cs\n\tcmpq\t$__USER_CS, CS(%rsp)\n\tjne";
    const ran = run(source(GETPID), { entrySource: replaced(label, label.replace("jne", "jmp")) });
    expect(ran.stop).toEqual({ kind: "exit", status: 0 });
    expect(exits(ran.events)[1]).toMatchObject({ instruction: "iret", firstFailing: "sysret_check_cs" });
  });

  test("one check taken out: a return that should not be by SYSRET is", () => {
    const text =
      "LABEL sysret_check_r11_flags\n\tmovq\tR11(%rsp), %r11\n\tcmpq\t%r11, EFLAGS(%rsp)\n\tjne\tsysret_not_possible";
    const change = "lea after(%rip), %rax; mov %rax, 152(%rdx); mov %rax, 168(%rdx); movq $0x206, 64(%rdx)";
    const { events } = run(source(sigreturn(change)), { entrySource: replaced(text, text.replace(/\tjne.*/, "")) });
    const found = events.findIndex((e) => e.type === "syscall" && e.name === "rt_sigreturn");
    expect(exits(events.slice(found))[0]).toMatchObject({ instruction: "sysret" });
  });

  test("entry code that does not assemble, or lacks an entry, is the user's error", () => {
    const make = (text: string) => () => run(source(GETPID), { entrySource: { uri: "my-entry.S", text } });
    expect(make("\tbogus %rax\n")).toThrow(/my-entry\.S|errors/);
    expect(make(entry64.replace("ENTRY entry_SYSCALL_64\n", ""))).toThrow(/entry_SYSCALL_64/);
  });
});

describe("entry code that goes wrong", () => {
  const with64 = (from: string, to: string) => run(source(GETPID), { entrySource: replaced(from, to) }, 1_000_000).stop;

  test.each([
    [
      "an instruction that is none",
      "LABEL entry_SYSCALL_64_safe_stack\n",
      "LABEL entry_SYSCALL_64_safe_stack\n\tud2\n",
      /invalid opcode/,
    ],
    [
      "a null pt_regs",
      "\tcall\tdo_syscall_64",
      "\txor\t%edi, %edi\n\tcall\tdo_syscall_64",
      /0x[0-9a-f]+ is not mapped/,
    ],
    ["an up-call that is none", "\tcall\tdo_syscall_64", "\t.byte 0x0f, 0x3f, 0xff, 0xff\n", /no up-call 65535/],
    [
      "a wild store",
      "\tcall\tdo_syscall_64",
      "\tmov %rax, 0xffffffff90000000\n",
      /page fault for address 0xffffffff90000000/,
    ],
  ])("%s stops the machine with the reason", (_name, from, to, why) => {
    const stop = with64(from, to);
    expect(stop.kind).toBe("shutdown");
    expect((stop as { why: string }).why).toMatch(why);
  });

  test("no stack at all is a triple fault", () => {
    const stop = with64("\tpushq\t$__USER_DS\t\t\t\t# ss", "\tmov $0x1000, %esp\n\tlidt (%rsp)\n");
    expect(stop.kind).toBe("shutdown");
  });
});

describe("TS_COMPAT", () => {
  const INT80 = `
	.globl _start
_start:	mov $20, %eax
	int $0x80
	mov $60, %eax
	xor %edi, %edi
	syscall
`;
  test("is set by the up-call of a 32-bit entry and cleared before the return", () => {
    const ran = run(source(GETPID));
    expect(ran.stop.kind).toBe("exit");
    const { system } = ran;
    const writes: string[] = [];
    const again = run(source(INT80), {}, 1);
    const task = again.system.kernel.state.tasks.find((t) => !t.idle)!;
    const status = task.address + again.system.kernel.layout.threadInfo.status!.offset;
    again.system.kernel.memory.observe((who, addr, _pa, bytes) => {
      if (addr === status) writes.push(`${who} ${bytes[0]}`);
    });
    again.system.run(1_000_000);
    expect(writes).toEqual(["syscall_32_enter 2", "exit_to_user_mode_prepare 0"]);
    expect(system.kernel.state.exit).toEqual({ status: 0 });
  });
});
