# What the kernel does by itself for nobody, and does once a debugger's user has changed something: the test does so at its labels. What
# faults says in r15 where to go on.
	.globl _start
	.include "entry-64.inc"
	.text
handler:
	mov 96(%rdx), %rax		# r15
	mov %rax, 168(%rdx)		# rip
	ret
restorer:
	mov $15, %eax
	syscall
_start:
	.cfi_startproc
	.cfi_undefined rip		# nobody has called it
	call64 13, 11, action, 0, 8
	call64 154, 1, absent, 16	# modify_ldt
	push %rax			# the stack is there: the next IRET is one to here
forgiven:
	goes_on int $7
	mov $7, %eax
	goes_on mov %eax, %es
	mov $57, %eax			# fork
	syscall
	test %eax, %eax
	jnz 1f
	call64 60, 0
1:	call64 61, -1, 0, 0, 0
	goes_on int $9
	.cfi_endproc
	.data
	.balign 8
action:	.quad handler, 0x04000004, restorer, 0
absent:	.long 0, 0, 0xfffff, 0x51 | 0x20
