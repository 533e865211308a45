/** Small 32-bit programs in GNU syntax. Each ends by exit(status), 0 where all went well, a step's number where it did not. */

/** write(1, message); exit(7), by INT $0x80. */
export const HELLO_INT80 = `
	.globl _start
_start:	mov $4, %eax
	mov $1, %ebx
	mov $message, %ecx
	mov $message_end - message, %edx
	int $0x80
	cmp $message_end - message, %eax
	jne 1f
	mov $7, %ebx
1:	mov $1, %eax
	int $0x80
	.data
message: .ascii "hello, int 0x80\\n"
message_end:
`;

/** The same through AT_SYSINFO, with every register that the call must keep checked. */
export const HELLO_VSYSCALL = `
	.globl _start
_start:	mov (%esp), %ecx		# argc
	lea 8(%esp, %ecx, 4), %esi	# envp
1:	lodsl
	test %eax, %eax
	jnz 1b
2:	lodsl				# auxv: type, value
	test %eax, %eax
	jz fail
	mov %eax, %edx
	lodsl
	cmp $32, %edx			# AT_SYSINFO
	jne 2b
	mov %eax, sysinfo
	mov $4, %eax
	mov $1, %ebx
	mov $message, %ecx
	mov $message_end - message, %edx
	mov $0x11111111, %esi
	mov $0x22222222, %edi
	mov $0x33333333, %ebp
	mov %esp, stack
	call *sysinfo
	cmp $message_end - message, %eax
	jne fail
	cmp $1, %ebx
	jne fail
	cmp $message, %ecx
	jne fail
	cmp $message_end - message, %edx
	jne fail
	cmp $0x11111111, %esi
	jne fail
	cmp $0x22222222, %edi
	jne fail
	cmp $0x33333333, %ebp
	jne fail
	cmp stack, %esp
	jne fail
	xor %ebx, %ebx
	jmp out
fail:	mov $1, %ebx
out:	mov $1, %eax
	call *sysinfo
	.data
sysinfo: .long 0
stack:	.long 0
message: .ascii "hello, sysenter\\n"
message_end:
`;

/** sigaction(2) without SA_SIGINFO: a sigframe; the handler changes sc.ebx and sc.eip, and returns through the vDSO. */
export const SIGFRAME = `
	.globl _start
_start:	mov $67, %eax			# sigaction
	mov $10, %ebx			# SIGUSR1
	mov $act, %ecx
	xor %edx, %edx
	int $0x80
	test %eax, %eax
	jnz fail
	mov $20, %eax			# getpid
	int $0x80
	mov %eax, %ebx
	mov $10, %ecx
	mov $0x44444444, %ebp
	mov $0x55555555, %edi
	mov $37, %eax			# kill
	int $0x80
interrupted:
	jmp fail			# the handler sends us on
resumed:
	cmp $0x1234, %ebx
	jne fail
	cmp $0x44444444, %ebp
	jne fail
	cmp $0x55555555, %edi
	jne fail
	test %eax, %eax			# kill's result
	jnz fail
	cmpl $10, seen
	jne fail
	xor %ebx, %ebx
	jmp out
fail:	mov $1, %ebx
out:	mov $1, %eax
	int $0x80

handler:
	mov 4(%esp), %eax		# sig
	mov %eax, seen
	cmpl $interrupted, 8 + 14*4(%esp)	# sc.ip: the frame begins at (%esp), sc at 8
	jne fail
	movl $resumed, 8 + 14*4(%esp)
	movl $0x1234, 8 + 8*4(%esp)	# sc.bx
	ret
	.data
act:	.long handler, 0, 0, 0
seen:	.long 0
`;

/** rt_sigaction with SA_SIGINFO: an rt_sigframe for a real fault; the handler skips the instruction. */
export const RT_SIGFRAME = `
	.globl _start
_start:	mov $174, %eax			# rt_sigaction
	mov $11, %ebx			# SIGSEGV
	mov $act, %ecx
	xor %edx, %edx
	mov $8, %esi
	int $0x80
	test %eax, %eax
	jnz fail
	mov $0x66666666, %ebp
faulting:
	movl %eax, 0x1000		# 5 bytes; nothing is mapped there
	cmp $0x66666666, %ebp
	jne fail
	cmpl $0x1000, address
	jne fail
	xor %ebx, %ebx
	jmp out
fail:	mov $1, %ebx
out:	mov $1, %eax
	int $0x80

handler:
	mov 8(%esp), %eax		# siginfo
	cmpl $11, (%eax)
	jne fail
	cmpl $1, 8(%eax)		# SEGV_MAPERR
	jne fail
	mov 12(%eax), %ecx
	mov %ecx, address
	mov 12(%esp), %eax		# ucontext
	cmpl $faulting, 20 + 14*4(%eax)
	jne fail
	cmpl $14, 20 + 12*4(%eax)	# trapno
	jne fail
	cmpl $6, 20 + 13*4(%eax)	# err: write from user mode
	jne fail
	addl $5, 20 + 14*4(%eax)
	ret
	.data
act:	.long handler, 4, 0, 0, 0
address: .long 0
`;

/** A 16-bit stack segment from the LDT; a system call in it. Exit status: the upper half of ESP survived (0), or did not (2). */
export const ESPFIX = `
	.globl _start
_start:	mov $123, %eax			# modify_ldt
	mov $1, %ebx
	mov $desc, %ecx
	mov $16, %edx
	int $0x80
	test %eax, %eax
	jnz fail
	mov %esp, %ebp
	mov $0x0007, %eax
	mov %eax, %ss			# entry 0 of the LDT, RPL 3
	mov $0xabcd1230, %esp
	mov $20, %eax
	int $0x80
	mov %esp, %ecx
	mov %ss, %eax
	mov $0x7b, %edx
	mov %edx, %ss
	mov %ebp, %esp
	cmp $0x0007, %ax
	jne fail
	mov %ecx, after
	cmp $0x1230, %cx
	jne fail
	mov $2, %ebx
	cmp $0xabcd1230, %ecx
	jne out
	xor %ebx, %ebx
	jmp out
fail:	mov $1, %ebx
out:	mov $1, %eax
	int $0x80
	.data
desc:	.long 0, 0, 0xffff, 0		# data, 16-bit, byte granular, present
	.globl after
after:	.long 0
`;

/** A sigreturn to a stack segment that is not present: IRET fails in the kernel, and SIGILL comes of it. */
export const BAD_IRET = `
	.globl _start
_start:	mov $67, %eax
	mov $10, %ebx
	mov $usr1, %ecx
	xor %edx, %edx
	int $0x80
	mov $67, %eax
	mov $4, %ebx			# SIGILL
	mov $ill, %ecx
	int $0x80
	mov $123, %eax
	mov $1, %ebx
	mov $desc, %ecx
	mov $16, %edx
	int $0x80
	test %eax, %eax
	jnz fail
	mov $20, %eax
	int $0x80
	mov %eax, %ebx
	mov $10, %ecx
	mov $37, %eax
	int $0x80
fail:	mov $1, %ebx
	mov $1, %eax
	int $0x80

on_usr1:
	movl $0x000f, 8 + 18*4(%esp)	# sc.ss: LDT entry 1
	ret
on_ill:
	cmpl $4, 4(%esp)
	jne fail
	xor %ebx, %ebx
	mov $1, %eax
	int $0x80
	.data
usr1:	.long on_usr1, 0, 0, 0
ill:	.long on_ill, 0, 0, 0
desc:	.long 1, 0, 0xffff, 0x20	# 16-bit data, not present
`;

/** CPU exceptions each raise their signal; the first one ends the program. */
export const DIVIDE = `
	.globl _start
_start:	xor %ecx, %ecx
	div %ecx
`;

/** getpid through AT_SYSINFO with TF set around it. Every SIGTRAP must be for an instruction of the program or the vDSO. */
export const SINGLE_STEP_VSYSCALL = `
	.globl _start
_start:	mov (%esp), %ecx
	lea 8(%esp, %ecx, 4), %esi
1:	lodsl
	test %eax, %eax
	jnz 1b
2:	lodsl
	mov %eax, %edx
	lodsl
	cmp $32, %edx
	jne 2b
	mov %eax, %esi			# __kernel_vsyscall
	mov $67, %eax
	mov $5, %ebx			# SIGTRAP
	mov $act, %ecx
	xor %edx, %edx
	int $0x80
	mov $20, %eax
	int $0x80
	mov %eax, %edi			# what the call must give
	mov $20, %eax
	pushf
	orl $0x100, (%esp)
	popf
	call *%esi
	pushf
	andl $~0x100, (%esp)
	popf
	cmp %edi, %eax
	jne fail
	cmpl $10, traps			# push, push, push, mov, sysenter, pop, pop, pop, ret and more
	jb fail
	xor %ebx, %ebx
	jmp out
fail:	mov $1, %ebx
out:	mov $1, %eax
	int $0x80
handler:
	incl traps
	cmpl $0xc0000000, 8 + 14*4(%esp)	# sc.ip
	jae fail
	ret
	.data
act:	.long handler, 0, 0, 0
traps:	.long 0
`;

/** The same as BAD_IRET, but with a 16-bit stack segment that is there and a code segment that is not. */
export const BAD_IRET_ESPFIX = BAD_IRET.replace(
  "movl $0x000f, 8 + 18*4(%esp)",
  "movl $0x000f, 8 + 15*4(%esp)\n\tmovl $0x0007, 8 + 18*4(%esp)",
)
  .replace(
    "test %eax, %eax\n\tjnz fail",
    "mov $123, %eax\n\tmov $desc2, %ecx\n\tint $0x80\n\ttest %eax, %eax\n\tjnz fail",
  )
  .replace("desc:	", "desc2:	.long 0, 0, 0xffff, 0\ndesc:	");

/** A data segment that vanishes while it is loaded: modify_ldt clears the entry, and the return from that very call pops DS. */
export const BAD_DS = `
	.globl _start
_start:	mov $123, %eax
	mov $1, %ebx
	mov $desc, %ecx
	mov $16, %edx
	int $0x80
	test %eax, %eax
	jnz fail
	mov $7, %eax
	mov %eax, %es
	mov $123, %eax
	mov $none, %ecx
	int $0x80
	test %eax, %eax
	jnz fail
	mov %es, %eax
	xor %ebx, %ebx
	test %ax, %ax
	jz out
fail:	mov $1, %ebx
out:	mov $1, %eax
	int $0x80
	.data
desc:	.long 0, 0, 0xffff, 1		# 32-bit data
none:	.long 0, 0, 0, 0x28		# empty: read-only, not present
`;
