# Every way of a 32-bit program into the kernel that it has by itself, for both kernels. What faults says in `going` where to go on. The gates
# of INT 0 to 19 are open to it (the test opens them), and it strikes what the test injects at its labels.
	.globl _start
	.macro goes_on instruction:vararg
	movl $9f, going
	\instruction
9:
	.endm
	.include "entry-32.inc"
	.macro vcall number a=0 b=0 c=0 d=0
	mov $\number, %eax
	mov $\a, %ebx
	mov $\b, %ecx
	mov $\c, %edx
	mov $\d, %esi
	call *sysinfo
	.endm
	.macro with_flags bits
	pushf
	orl $\bits, (%esp)
	popf
	.endm
	.macro handle signal
	call32 174, \signal, action, 0, 8
	.endm
	.text
handler:
	mov 12(%esp), %edx		# ucontext
	mov going, %eax
	mov %eax, 20+56(%edx)		# eip
	andl $~0x44100, 20+64(%edx)	# AC, NT, TF
	mov own_ss, %eax
	mov %eax, 20+72(%edx)
	ret
restorer:
	mov $173, %eax
	int $0x80
# The kernel is asked to return to a state that there is not.
refuse:
	mov 12(%esp), %edx
	movl $0, 20+72(%edx)		# ss
	ret
_start:
	.cfi_startproc
	.cfi_undefined eip		# nobody has called it
	find_sysinfo
	mov %ss, own_ss
	.irp signal, 4, 5, 7, 8, 10, 11
	handle \signal
	.endr
	.irp vector, 0, 1, 3, 4, 5, 6, 9, 15, 16, 18, 19
	goes_on int $\vector
	.endr
	goes_on hlt
	goes_on ud2
	goes_on movl 0, %eax
	goes_on bound %eax, limits
	with_flags 0x40000
	goes_on movl 1(%esp), %eax
	pushf
	orl $0x100, (%esp)
	goes_on popf; nop; nop
	with_flags 0x4000
	goes_on iret
	fninit
	fldcw strict
	fld1
	fdivs zero
	goes_on fwait
	call32 123, 1, absent, 16	# modify_ldt
	mov $7, %eax
	goes_on mov %eax, %es
	goes_on mov %eax, %ss
	call32 123, 1, small, 16
espfix:
	mov $15, %eax
	mov %eax, %ss
	mov %esp, saved
small_stack:
	.rept 4
	mov $20, %eax
	int $0x80
	mov saved, %esp			# a kernel without espfix has changed its upper half
	.endr
	goes_on ud2
	mov saved, %esp
	mov own_ss, %ss
plain:
	vcall 20
	vcall 999
	call32 999
	call32 5, 8
	call32 5, name
	call32 42, 8
	call32 42, pair
	call32 240, 8, 0, 1
	call32 162, 8
	call32 162, pair, 8
	call32 174, 10, 8, 0, 8
	call32 174, 10, 0, 8, 8
	call32 176, pair, 8		# rt_sigpending
	call32 176, 8, 8
	call32 5, zeros
	mov %eax, %ebp
	.irp to, pair, 8
	mov %ebp, %ebx
	mov $\to, %ecx
	mov $7, %edx
	mov $3, %eax
	int $0x80
	.endr
	with_flags 0x40000		# AC, NT, TF into SYSENTER
	vcall 20
	with_flags 0x4000
	vcall 20
	goes_on with_flags 0x100
	mov $20, %eax
	call *sysinfo
	pushf
	andl $~0x44100, (%esp)
	popf
	call32 123, 1, plain_ldt, 16
	mov $0x17, %eax
	mov %eax, %ss			# of the LDT, but with 32 bits
	call32 20
	mov own_ss, %ss
	mov $0x17, %eax
	mov %eax, %fs
	vcall 123, 1, plain_gone, 16
	movl $9f, going
	mov $20, %eax
	call *sysinfo
9:
sleeping:
	call32 162, moment, 0
	call32 158
	mov $2, %eax
	int $0x80
	test %eax, %eax
	jnz 1f
	call32 158
	mov $20, %eax
	mov $8, %ebp			# where argument 6 would be, and the stack afterwards: the last of this task
	goes_on sysenter
	mov $8, %esp
	syscall
1:	call32 158
	call32 7, -1, 8, 0
	call32 7, -1, pair, 0
	mov $120, %eax			# clone, with a stack of its own
	mov $0x100, %ebx
	mov $stack, %ecx
	int $0x80
audited:
	vcall 20
	call32 20
	vcall 999
	vcall 158
traced:
	vcall 20
	call32 20
	vcall 999
	call32 999
	call32 174, 10, refusing, 0, 8
	call32 20
	movl $the_end, going
	mov %eax, %ebx
	mov $37, %eax
	mov $10, %ecx
	int $0x80
the_end:
	int $7				# nothing should: the kernel gives up
	.cfi_endproc
	.data
	.balign 8
sysinfo:	.long 0
own_ss:	.long 0
going:	.long 0
saved:	.long 0
limits:	.long 10, 20
strict:	.word 0x340, 0
zero:	.long 0
action:	.long handler, 0x04000004, restorer, 0, 0
refusing: .long refuse, 0x04000004, restorer, 0, 0
absent:	.long 0, 0, 0xfffff, 0x51 | 0x20
small:	.long 1, 0, 0xffff, 0x0
plain_ldt:	.long 2, 0, 0xfffff, 0x51
plain_gone:	.long 2, 0, 0, 0x28
moment:	.long 0, 1000
pair:	.long 0, 0, 0, 0
name:	.asciz "/nowhere"
zeros:	.asciz "/dev/zero"
	.skip 4096
stack:
