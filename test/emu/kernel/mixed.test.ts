/** One task in both modes: 64-bit code that jumps to 32-bit code and back, makes system calls in each, and moves its vDSO. */
import { describe, expect, test } from "vitest";
import { entries, nativeImage, run, source } from "./kit.ts";

/** getpid by SYSCALL; then in 32-bit code by INT $0x80, a handler installed there and a signal taken; then back, and exit 5. */
const MIXED = `
	.code64
	.globl _start
_start:	mov $39, %eax
	syscall
	mov %eax, pid
	lea stack_end, %rsp
	ljmpl *to32
	.code32
in32:	mov $0x2b, %eax			# a 64-bit program begins with null data segments
	mov %eax, %ds
	mov %eax, %es
	mov $20, %eax			# getpid
	int $0x80
	cmp pid, %eax
	jne bad
	mov $174, %eax			# rt_sigaction(SIGUSR1, &action, 0, 8)
	mov $10, %ebx
	mov $action, %ecx
	xor %edx, %edx
	mov $8, %esi
	int $0x80
	test %eax, %eax
	jne bad
	mov $37, %eax			# kill(pid, SIGUSR1)
	mov pid, %ebx
	mov $10, %ecx
	int $0x80
	cmpl $10, seen
	jne bad
	ljmp *to64
bad:	mov $1, %eax
	mov $99, %ebx
	int $0x80
handler:
	mov 4(%esp), %eax		# a 32-bit frame: the signal's number is on the stack
	mov %eax, seen
	ret
restorer:
	pop %eax
	mov $119, %eax
	int $0x80
	.code64
in64:	mov $60, %eax
	mov $5, %edi
	syscall
	.data
to32:	.long in32
	.word 0x23
to64:	.long in64
	.word 0x33
pid:	.long 0
seen:	.long 0
action:	.long handler, 0x04000000, restorer, 0, 0
	.bss
	.skip 65536
stack_end:
`;

describe.each(["intel", "amd"] as const)("on %s", (vendor) => {
  const cpu = { vendor, model: "current", quirks: [] } as const;

  test("far jumps both ways, system calls on both sides, a 32-bit frame in a 64-bit task", () => {
    const ran = run(source(MIXED), { cpu });
    expect(ran.stop).toEqual({ kind: "exit", status: 5 });
    expect(
      entries(ran.events)
        .filter((e) => e.kind !== "exception")
        .map((e) => e.kind),
    ).toEqual(["syscall", "int80", "int80", "int80", "int80", "syscall"]);
    const calls = ran.events.filter((e) => e.type === "syscall").map((e) => [e.name, e.compat]);
    expect(calls).toEqual([
      ["getpid", false],
      ["getpid", true],
      ["rt_sigaction", true],
      ["kill", true],
      ["sigreturn", true],
      ["exit", false],
    ]);
    const far = ran.events.filter((e) => e.type === "transfer" && e.kind === "far").map((e) => e.cs);
    expect(far).toEqual([0x23, 0x33]);
  });
});

test("natively the same", () => {
  expect(nativeImage(MIXED, 64).status).toBe(5);
});

/** The end of vvar and vDSO is known from AT_SYSINFO_EHDR; everything in a window around it is unmapped. */
const REMAP = (unmap: boolean) => `
	.globl _start
_start:	mov (%rsp), %rcx		# argc; then argv, envp, auxv
	lea 16(%rsp,%rcx,8), %rbx
env:	add $8, %rbx
	cmpq $0, -8(%rbx)
	jne env
aux:	cmpq $33, (%rbx)
	je found
	add $16, %rbx
	jmp aux
found:	mov 8(%rbx), %rdi
	sub $0x4000, %rdi
	mov $0x6000, %esi
	mov $11, %eax
	${unmap ? "syscall" : "nop"}
	mov $158, %eax			# arch_prctl(ARCH_MAP_VDSO_32, 0)
	mov $0x2002, %edi
	xor %esi, %esi
	syscall
	mov %rax, %rdi
	shr $12, %rdi
	test %rax, %rax
	jns out
	neg %rax
	mov %rax, %rdi
out:	mov $60, %eax
	syscall
`;

test("ARCH_MAP_VDSO_32: EEXIST while the old one is left, its size when both are unmapped", () => {
  expect(run(source(REMAP(false))).stop).toEqual({ kind: "exit", status: 17 });
  const ran = run(source(REMAP(true)));
  const result = ran.events.find((e) => e.type === "syscall" && e.name === "arch_prctl")?.result;
  expect(Number(result) % 4096).toBe(0);
  expect(ran.stop).toEqual({ kind: "exit", status: Number(result) / 4096 });
});
