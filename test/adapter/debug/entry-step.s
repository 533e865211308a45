# A 32-bit program that single-steps through system calls: what SIGTRAP calls leaves TF as it is, so that it comes to SYSENTER as well. Then
# the kernel is asked to return to states that there are not: by a frame with such a CS or SS, on a 16-bit stack too.
	.globl _start
	.include "entry-32.inc"
	.text
handler:
	ret
# The kernel is to return to a selector that names nothing.
bad_stack:
	mov 12(%esp), %edx		# ucontext
	movl $0x5f, 20+72(%edx)		# ss
	ret
bad_code:
	mov 12(%esp), %edx
	movl $0x5f, 20+60(%edx)		# cs
	ret
mend:
	mov 12(%esp), %edx
	mov going, %eax
	mov %eax, 20+56(%edx)
	mov own_cs, %eax
	mov %eax, 20+60(%edx)
	mov own_ss, %eax
	mov %eax, 20+72(%edx)
	ret
restorer:
	mov $173, %eax
	int $0x80
	.macro handle signal action
	call32 174, \signal, \action, 0, 8
	.endm
# Raises SIGUSR1 with what it has to do on the stack that there is.
	.macro refused action
	handle 10, \action
	movl $9f, going
	mov $20, %eax
	int $0x80
	mov %eax, %ebx
	mov $10, %ecx
	mov $37, %eax
	int $0x80
9:
	.endm
_start:
	.cfi_startproc
	.cfi_undefined eip		# nobody has called it
	find_sysinfo
	mov %ss, own_ss
	mov %cs, own_cs
	handle 5, stepping
	pushf
	orl $0x100, (%esp)
	popf
	mov $20, %eax
	call *sysinfo
	mov $20, %eax
	int $0x80
	pushf
	andl $~0x100, (%esp)
	popf
	handle 4, mending
	handle 7, mending
	handle 11, mending
	refused stack_action
	refused code_action
	mov $123, %eax			# modify_ldt
	mov $1, %ebx
	mov $small, %ecx
	mov $16, %edx
	int $0x80
	mov $15, %eax
	mov %eax, %ss
small_stack:
	refused code_action
	int $7				# nothing should: the kernel gives up
	.cfi_endproc
	.data
	.balign 4
sysinfo:	.long 0
own_ss:	.long 0
own_cs:	.long 0
going:	.long 0
stepping:	.long handler, 0x04000004, restorer, 0, 0
mending:	.long mend, 0x04000004, restorer, 0, 0
stack_action:	.long bad_stack, 0x04000004, restorer, 0, 0
code_action:	.long bad_code, 0x04000004, restorer, 0, 0
small:	.long 1, 0, 0xffff, 0x0
