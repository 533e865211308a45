# A 32-bit program whose signal's handler asks for 16-bit stacks: first for some that IRET refuses, so that the 64-bit kernel's IRET on its ministack
# raises #GP, #NP and #SS; then for a good one, time and again, while the test makes that IRET an INT to each of the other vectors.
	.globl _start
	.include "entry-32.inc"
	.macro asked ss cs
	movl $\ss, wanted_ss
	movl $\cs, wanted_cs
	movl $9f, going
	call32 20
	mov %eax, %ebx
	mov $37, %eax			# kill
	mov $10, %ecx
	int $0x80
9:
	.endm
	.text
# What faults says in `going` where to go on.
handler:
	mov 12(%esp), %edx		# ucontext
	mov going, %eax
	mov %eax, 20+56(%edx)		# eip
	mov own_cs, %eax
	mov %eax, 20+60(%edx)
	mov own_ss, %eax
	mov %eax, 20+72(%edx)
	ret
refuse:
	mov 12(%esp), %edx
	mov wanted_cs, %eax
	mov %eax, 20+60(%edx)
	mov wanted_ss, %eax
	mov %eax, 20+72(%edx)
	ret
restorer:
	mov $173, %eax
	int $0x80
_start:
	.cfi_startproc
	.cfi_undefined eip		# nobody has called it
	mov %ss, own_ss
	mov %cs, own_cs
	.irp signal, 4, 7, 8, 11
	call32 174, \signal, action, 0, 8
	.endr
	call32 174, 10, refusing, 0, 8
	call32 123, 1, small, 16	# modify_ldt
	call32 123, 1, absent_code, 16
	call32 123, 1, absent_stack, 16
	asked 0xf, 0xf
	asked 0xf, 0x17
	asked 0x1f, 0x23
good:
	.rept 16
	asked 0xf, 0x23
	.endr
	call32 1, 0
	.cfi_endproc
	.data
	.balign 8
own_ss:	.long 0
own_cs:	.long 0
going:	.long 0
wanted_ss: .long 0
wanted_cs: .long 0
action:	.long handler, 0x04000004, restorer, 0, 0
refusing: .long refuse, 0x04000004, restorer, 0, 0
small:	.long 1, 0, 0xffff, 0x0
absent_code: .long 2, 0, 0xfffff, 0x35
absent_stack: .long 3, 0, 0xffff, 0x20
