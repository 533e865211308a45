/** vm86() and vm86old() on the 32-bit kernel: every way out of v8086 mode, and the instructions that are emulated in it. */
import { describe, expect, test } from "vitest";
import { EFLAGS, OFF, SEG } from "../../../../src/emu/cpu/layout.ts";
import { finish, prepare, runI386 } from "../i386/run.ts";
import { SIGACTION, vm86Program } from "./programs.ts";

const result = (value: string) => `
	cmp $${value}, %eax
	jne fail
`;

describe.each([true, false])("vm86plus %s", (plus) => {
  const run = (setup: string, guest: string, check: string) => runI386(vm86Program(setup, guest, check, plus));

  test("INT n that is revectored comes back as VM86_INTx, with the registers at that point", () => {
    const setup = `
	movb $0x02, V_INTS + 4(%ebp)	# bit 0x21
	movl $0xaaaa0000, V_EAX(%ebp)
`;
    const guest = `
	mov $0x4c05, %ax
	mov $0xbeef, %bx
	push %ax
	int $0x21
	hlt
`;
    const check = `${result("0x2102")}
	cmpl $0xaaaa4c05, v86 + V_EAX
	jne fail
	cmpw $0xbeef, v86 + V_EBX
	jne fail
	cmpl $0xffee, v86 + V_ESP
	jne fail
	cmpw $9, v86 + V_EIP		# behind the INT
	jne fail
	cmpw $0x1000, v86 + V_CS
	jne fail
	testl $0x20000, v86 + V_EFLAGS
	jz fail
`;
    expect(run(setup, guest, check)).toMatchObject({ status: 0 });
  });

  test("HLT is not emulated: VM86_UNKNOWN, at the instruction", () => {
    expect(run("", "\tnop\n\thlt\n", `${result("1")}\n\tcmpl $1, v86 + V_EIP\n\tjne fail\n`)).toMatchObject({
      status: 0,
    });
  });

  test("IN and OUT too", () => {
    expect(run("", "\tin $0x60, %al\n", result("1"))).toMatchObject({ status: 0 });
  });

  test("STI with VIP set: VM86_STI", () => {
    const setup = "\tmovl $0x100000, V_EFLAGS(%ebp)\n";
    const check = `${result("3")}\n\tcmpl $1, v86 + V_EIP\n\tjne fail\n\ttestl $0x80000, v86 + V_EFLAGS\n\tjz fail\n`;
    expect(run(setup, "\tsti\n\thlt\n", check)).toMatchObject({ status: 0 });
  });

  test("POPF that sets IF with VIP set: VM86_STI; that leaves it clear: goes on", () => {
    const setup = "\tmovl $0x100000, V_EFLAGS(%ebp)\n";
    expect(run(setup, "\tmov $0x200, %ax\n\tpush %ax\n\tpopf\n\thlt\n", result("3"))).toMatchObject({ status: 0 });
    expect(run(setup, "\txor %ax, %ax\n\tpush %ax\n\tpopf\n\thlt\n", result("1"))).toMatchObject({ status: 0 });
  });

  test("CLI, STI and PUSHF work on a virtual IF", () => {
    const guest = `
	cli
	pushf
	pop %bx
	sti
	pushf
	pop %si
	hlt
`;
    const check = `${result("1")}
	testl $0x200, v86 + V_EBX
	jnz fail
	testl $0x200, v86 + V_ESI
	jz fail
	testl $0x3000, v86 + V_ESI	# IOPL reads as 3
	jz fail
`;
    expect(run("", guest, check)).toMatchObject({ status: 0 });
  });

  test("IRET goes where its frame says", () => {
    const guest = `
	pushf
	pushw $0x1000
	push $there - guest
	iret
	hlt
there:	mov $0x77, %bl
	hlt
`;
    expect(run("", guest, `${result("1")}\n\tcmpb $0x77, v86 + V_EBX\n\tjne fail\n`)).toMatchObject({ status: 0 });
  });

  test("an undefined opcode raises SIGILL outside: VM86_SIGNAL, and the handler sees the 32-bit state", () => {
    const setup = SIGACTION(4, "handler");
    const check = `${result("0")}
	cmpl $4, result + 4
	jne fail
`;
    const program = vm86Program(setup, "\tud2\n", check, plus)
      .replace(
        "\t.code16\nguest:",
        `handler:
	mov 4(%esp), %eax
	testl $0x20000, 8 + 16*4(%esp)	# sc.flags
	jnz fail
	cmpw $0x73, 8 + 15*4(%esp)	# sc.cs
	jne fail
	mov %eax, result + 4
	ret
	.code16
guest:`,
      )
      .replace("result:	.long 0", "result:	.long 0, 0");
    expect(runI386(program)).toMatchObject({ status: 0 });
  });

  test("the screen bitmap is refused with EINVAL, and a bad pointer with EFAULT", () => {
    const setup = "\tmovl $1, V_FLAGS(%ebp)\n";
    expect(run(setup, "\thlt\n", result("-22"))).toMatchObject({ status: 0 });
  });

  test("SYSENTER faults in v8086 mode, and works again afterwards", () => {
    expect(run("", "\tsysenter\n", result("1"))).toMatchObject({ status: 0 });
  });
});

test("INT3 and single step end vm86plus with VM86_TRAP and no signal", () => {
  expect(runI386(vm86Program("", "\tint3\n", result("0x306"), true))).toMatchObject({ status: 0 });
  const setup = "\tmovl $0x300, V_EFLAGS(%ebp)\n";
  expect(
    runI386(vm86Program(setup, "\tnop\n\tnop\n", `${result("0x106")}\n\tcmpl $1, v86 + V_EIP\n\tjne fail\n`, true)),
  ).toMatchObject({ status: 0 });
});

test("under plain vm86 a trap 1 is SIGTRAP, and the call returns 0", () => {
  const setup = `\tmovl $0x300, V_EFLAGS(%ebp)\n${SIGACTION(5, "handler")}`;
  const program = vm86Program(setup, "\tnop\n\tnop\n", `${result("0")}\n\tcmpl $5, result + 4\n\tjne fail\n`, false)
    .replace("\t.code16\nguest:", "handler:\n\tmov 4(%esp), %eax\n\tmov %eax, result + 4\n\tret\n\t.code16\nguest:")
    .replace("result:	.long 0", "result:	.long 0, 0");
  expect(runI386(program)).toMatchObject({ status: 0 });
});

test("an interrupt that is not revectored goes through the table at 0", () => {
  // The table is mapped by the program itself: page 0, vector 0x60 to 1000:handler.
  const setup = `
	push %ebp
	mov $192, %eax
	xor %ebx, %ebx
	mov $0x1000, %ecx
	mov $7, %edx
	mov $0x32, %esi
	mov $-1, %edi
	xor %ebp, %ebp
	int $0x80
	pop %ebp
	test %eax, %eax
	jnz fail
	movw $inside - guest, 0x60 * 4
	movw $0x1000, 0x60 * 4 + 2
`;
  const guest = `
	int $0x60
	hlt
inside:	mov $0x55, %bl
	iret
`;
  const check = `${result("1")}
	cmpb $0x55, v86 + V_EBX
	jne fail
	cmpl $2, v86 + V_EIP
	jne fail
	cmpl $0xfff0, v86 + V_ESP
	jne fail
`;
  for (const plus of [true, false])
    expect(runI386(vm86Program(setup, guest, check, plus))).toMatchObject({ status: 0 });
});

test("the install check, and interrupts that only a privileged task may request", () => {
  const call = (nr: number, arg: string, expected: string) => `
	mov $166, %eax
	mov $${nr}, %ebx
	mov $${arg}, %ecx
	int $0x80
	cmp $${expected}, %eax
	jne fail
`;
  const setup =
    call(0, "0", "0") +
    call(3, "5", "-1") +
    call(4, "200", "-1") +
    call(5, "0", "0") +
    call(6, "5", "0") +
    call(1, "1", "-14");
  expect(runI386(vm86Program(setup, "\thlt\n", result("1"), true))).toMatchObject({ status: 0 });
});

describe("vm86plus only", () => {
  const run = (setup: string, guest: string, check: string) => runI386(vm86Program(setup, guest, check, true));

  test("force_return_for_pic: VM86_PICRETURN at the first emulated instruction with virtual interrupts on", () => {
    const setup = "\tmovl $1, V_PLUS(%ebp)\n\tmovl $0, V_EFLAGS(%ebp)\n";
    const guest = "\tcli\n\tpushf\n\tpop %bx\n\tsti\n\thlt\n";
    expect(run(setup, guest, `${result("4")}\n\tcmpl $4, v86 + V_EIP\n\tjne fail\n`)).toMatchObject({ status: 0 });
  });

  test("a debugger's table intercepts INT n that is not revectored", () => {
    const setup = "\tmovl $2, V_PLUS(%ebp)\n\tmovb $0x20, V_PLUS + 4 + (0x15 >> 3)(%ebp)\n";
    expect(run(setup, "\tint $0x15\n", result("0x1502"))).toMatchObject({ status: 0 });
  });
});

test("with an operand size prefix PUSHF, POPF and IRET move 32 bits", () => {
  const guest = `
	mov %sp, %si
	pushfl
	mov %sp, %di
	sub %di, %si			# 4
	popfl
	pushfl
	pushl $0x1000
	pushl $there - guest
	iretl
	hlt
there:	mov $0x77, %bl
	hlt
`;
  const check = `${result("1")}
	cmpw $4, v86 + V_ESI
	jne fail
	cmpb $0x77, v86 + V_EBX
	jne fail
	cmpl $0xfff0, v86 + V_ESP
	jne fail
`;
  expect(runI386(vm86Program("", guest, check, true))).toMatchObject({ status: 0 });
});

test.each([
  [2, 0x0000], // CPU_286: neither NT nor IOPL
  [3, 0x4000], // CPU_386: NT
  [5, 0x4000],
])("cpu_type %i decides which flags POPF keeps", (cpu, nt) => {
  const setup = `\tmovl $${cpu}, V_CPU(%ebp)\n`;
  const guest = "\tmov $0x4000, %ax\n\tpush %ax\n\tpopf\n\tpushf\n\tpop %bx\n\thlt\n";
  const check = `${result("1")}\n\tmov v86 + V_EBX, %eax\n\tand $0x4000, %eax\n\tcmp $${nt}, %eax\n\tjne fail\n`;
  expect(runI386(vm86Program(setup, guest, check, true))).toMatchObject({ status: 0 });
});

test("GS, which the kernel leaves in the register, is the caller's again", () => {
  const setup = "\tmov $0x7b, %eax\n\tmov %eax, %gs\n\tmovw $0x1234, 80(%ebp)\n";
  const check = `${result("1")}
	mov %gs, %eax
	cmp $0x7b, %ax
	jne fail
	cmpw $0x1234, v86 + 80
	jne fail
`;
  expect(runI386(vm86Program(setup, "\thlt\n", check, true))).toMatchObject({ status: 0 });
});

test("what can be seen: sp0 moves by four words, SYSENTER_CS is 0, and both come back", () => {
  const prepared = prepare(vm86Program("", "\tnop\n\thlt\n", result("1"), true));
  const { kernel, machine } = prepared.system;
  const cpu = machine.cpus[0]!;
  const tss = (name: string) =>
    Number(
      kernel.memory.readField(
        kernel.perCpuBase(cpu) + kernel.layout.perCpu.cpu_tss_rw!.offset,
        kernel.layout.tss[name]!,
      ),
    );
  const outside = [tss("sp1"), tss("ss1"), cpu.get32(OFF.SYSENTER_CS)];
  while ((cpu.getFlags() & EFLAGS.VM) === 0) expect(machine.run(1).kind).toBe("budget");
  expect([tss("sp1"), tss("ss1"), cpu.get32(OFF.SYSENTER_CS)]).toEqual([outside[0]! + 16, 0, 0]);
  expect([cpu.selector(SEG.CS), cpu.segBase(SEG.CS), cpu.cpl]).toEqual([0x1000, 0x10000, 3]);
  while ((cpu.getFlags() & EFLAGS.VM) !== 0) expect(machine.run(1).kind).toBe("budget");
  expect(finish(prepared, 100_000).status).toBe(0);
  const events = prepared.events.filter((event) => event.type === "vm86");
  expect(events).toMatchObject([
    { what: "enter", plus: true, cs: 0x1000, ip: 0 },
    { what: "leave", reason: "VM86_UNKNOWN", cs: 0x1000, ip: 1 },
  ]);
});

test("a structure that cannot be written back ends the program", () => {
  // its page is made read-only before the call
  const setup = `
	push %ebp
	mov $125, %eax			# mprotect
	mov $v86, %ebx
	and $0xfffff000, %ebx
	mov $0x1000, %ecx
	mov $1, %edx
	int $0x80
	pop %ebp
	test %eax, %eax
	jnz fail
`;
  const text = vm86Program(setup, "\thlt\n", "", true).replace("\tmov %esp, saved_esp\n", "");
  expect(runI386(text).stop).toEqual({ kind: "exit", status: 139, signal: 11 });
});

describe("events from outside while v8086 code runs", () => {
  const program = (extra: string) =>
    vm86Program(SIGACTION(10, "handler"), "\tmov $5, %cx\n1:\tloop 1b\n\thlt\n", extra, true)
      .replace("\t.code16\nguest:", "handler:\n\tmov 4(%esp), %eax\n\tmov %eax, result + 4\n\tret\n\t.code16\nguest:")
      .replace("result:	.long 0", "result:	.long 0, 0");

  test("a signal ends it with VM86_SIGNAL, and the handler runs before vm86 returns", () => {
    const inject = [{ at: "0x10003", event: "signal:SIGUSR1" }];
    const check = `${result("0")}\n\tcmpl $10, result + 4\n\tjne fail\n\tcmpl $3, v86 + V_EIP\n\tjne fail\n`;
    const outcome = runI386(program(check), { inject });
    expect(outcome.status).toBe(0);
    expect(outcome.events.filter((event) => event.type === "vm86").at(-1)).toMatchObject({ reason: "VM86_SIGNAL" });
  });

  test.each(["irq", "nmi", "mc"])("%s is served, and v8086 code goes on", (event) => {
    const outcome = runI386(program(result("1")), { inject: [{ at: "0x10003", event, count: 3 }] });
    expect(outcome.status).toBe(0);
    expect(outcome.events.filter((e) => e.type === "entry" && (e.kind === event || e.vector === 18))).toHaveLength(3);
  });
});
