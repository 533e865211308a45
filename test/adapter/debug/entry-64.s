# Every way of a 64-bit program into the kernel that it has by itself. What faults says in r15 where to go on. The gates of INT 0 to 19 are open
# to it (the test opens them).
	.globl _start
	.include "entry-64.inc"
	.macro handle signal
	call64 13, \signal, action, 0, 8
	.endm
	.text
handler:
	mov 96(%rdx), %rax		# r15
	mov %rax, 168(%rdx)		# rip
	andl $~0x40100, 176(%rdx)	# AC, TF
	ret
restorer:
	mov $15, %eax
	syscall
_start:
	.cfi_startproc
	.cfi_undefined rip		# nobody has called it
	handle 4
	handle 5
	handle 7
	handle 8
	handle 10
	handle 11
	.irp vector, 0, 1, 3, 4, 5, 6, 9, 15, 16, 19
	goes_on int $\vector
	.endr
	goes_on hlt
	goes_on ud2
	goes_on movl 0, %eax
	mov $0x8000000000000000, %rbp
	goes_on movl (%rbp), %eax
	pushf
	orl $0x40000, (%rsp)
	popf
	goes_on movl 1(%rsp), %eax
	pushf
	orl $0x100, (%rsp)
	goes_on popf; nop; nop
	call64 154, 1, absent, 16	# modify_ldt
	mov $7, %eax
	goes_on mov %eax, %es
	call64 999
	call64 16, 1, 0x5401, 8		# ioctl: bad pointer
	call64 2, 8			# open: bad name
	call64 2, name
	call64 22, 8			# pipe: bad pointer
	call64 22, pair
	call64 202, 8, 0, 1		# futex
	call64 35, 8			# nanosleep
	call64 35, pair, 8
	call64 127, 8, 8		# rt_sigpending: bad pointer
	call64 2, zeros
	mov %eax, %ebp
	.irp to, pair, 8
	mov %ebp, %edi
	mov $\to, %esi
	mov $15, %edx
	xor %eax, %eax
	syscall
	.endr
	call64 12
	mov $20, %eax
	int $0x80
	goes_on syscall
	lea 2f(%rip), %r15
	call64 62, 0, 10		# kill
2:	mov $57, %eax			# fork
	syscall
	test %eax, %eax
	jnz 1f
	call64 24
	call64 60, 0
1:	call64 24
	call64 61, -1, 8, 0, 0
	call64 61, -1, pair, 0, 0
audited:
	call64 24
	call64 999
traced:
	call64 24
	int $7				# nothing should: the kernel gives up
	.cfi_endproc
	.data
	.balign 8
action:	.quad handler, 0x04000004, restorer, 0
absent:	.long 0, 0, 0xfffff, 0x51 | 0x20
pair:	.quad 0, 0
name:	.asciz "/nowhere"
zeros:	.asciz "/dev/zero"
