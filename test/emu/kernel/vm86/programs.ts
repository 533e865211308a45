/** A 32-bit program around a piece of v8086 code: maps 64 KiB at 0x10000, copies the code there, runs it, and exits with what vm86 said. */

/** Layout of struct vm86plus_struct: regs is 21 words. */
const REGS = `
	.set	V_EBX, 0
	.set	V_ESI, 12
	.set	V_EAX, 24
	.set	V_EIP, 48
	.set	V_CS, 52
	.set	V_EFLAGS, 56
	.set	V_ESP, 60
	.set	V_SS, 64
	.set	V_DS, 72
	.set	V_FLAGS, 84
	.set	V_CPU, 92
	.set	V_INTS, 96
	.set	V_PLUS, 160
`;

/**
 * @param setup code before the call, with the structure at %ebp.
 * @param guest 16-bit code, at 1000:0000.
 * @param check code after the call, with vm86's result in %eax; falls through to success, or jumps to `fail`.
 * @param plus vm86(VM86_ENTER) or vm86old().
 */
export const vm86Program = (setup: string, guest: string, check: string, plus: boolean): string => `${REGS}
	.globl _start
_start:	mov $192, %eax			# mmap2
	mov $0x10000, %ebx
	mov $0x10000, %ecx
	mov $7, %edx
	mov $0x32, %esi			# private, fixed, anonymous
	mov $-1, %edi
	xor %ebp, %ebp
	int $0x80
	cmp $0x10000, %eax
	jne fail
	mov $guest, %esi
	mov $0x10000, %edi
	mov $guest_end - guest, %ecx
	rep movsb
	mov $v86, %ebp
	movw $0x1000, V_CS(%ebp)
	movw $0x1000, V_SS(%ebp)
	movw $0x1000, V_DS(%ebp)
	movl $0xfff0, V_ESP(%ebp)
	movl $0x0200, V_EFLAGS(%ebp)
${setup}
	mov $${plus ? 1 : "v86"}, %ebx
	mov $v86, %ecx
	mov $0x77777777, %esi
	mov $0x12345678, %edx
	mov $${plus ? 166 : 113}, %eax
	mov %esp, saved_esp
enter:	int $0x80
	mov %eax, result
	cmp saved_esp, %esp
	jne fail
	cmp $v86, %ebp
	jne fail
	cmp $0x77777777, %esi
	jne fail
	cmp $0x12345678, %edx
	jne fail
	mov %ds, %ecx
	cmp $0x7b, %cx
	jne fail
	pushf
	testl $0x20000, (%esp)
	jnz fail
	popf
${check}
	xor %ebx, %ebx
	jmp out
fail:	mov $1, %ebx
out:	mov $1, %eax
	int $0x80
	.code16
guest:
${guest}
guest_end:
	.code32
	.data
	.globl v86, result
v86:	.fill 256, 1, 0
saved_esp: .long 0
result:	.long 0
`;

export const SIGACTION = (signal: number, handler: string): string => `
	mov $67, %eax
	mov $${signal}, %ebx
	mov $act, %ecx
	xor %edx, %edx
	int $0x80
	test %eax, %eax
	jnz fail
	.data
act:	.long ${handler}, 0, 0, 0
	.text
`;
