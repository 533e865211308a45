	.globl _start
	.macro goes_on instruction:vararg
	movl $9f, going
	\instruction
9:
	.endm
	.macro call32 number a=0 b=0 c=0 d=0
	mov $\number, %eax
	mov $\a, %ebx
	mov $\b, %ecx
	mov $\c, %edx
	mov $\d, %esi
	int $0x80
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
	ret
restorer:
	mov $173, %eax
	int $0x80
_start:
	handle 4
	handle 5
	handle 7
	handle 8
	handle 10
	handle 11
	.irp vector, 0, 1, 3, 4, 5, 6, 9, 15, 16, 18, 19
	goes_on int $\vector
	.endr
	goes_on hlt
	goes_on ud2
	goes_on movl 0, %eax
	goes_on bound %eax, limits
	pushf
	orl $0x40000, (%esp)
	popf
	goes_on movl 1(%esp), %eax
	pushf
	orl $0x100, (%esp)
	goes_on popf; nop; nop
	pushf
	orl $0x4000, (%esp)
	popf
	goes_on iret
	call32 123, 1, absent, 16	# modify_ldt
	mov $7, %eax
	goes_on mov %eax, %es
	call32 123, 1, small, 16
	mov $15, %eax
	mov %ss, %ebx
	mov %eax, %ss
	xor %esp, %esp
	goes_on pushl 0x7ffff(%esp)
	mov %ebx, %ss
	mov $stack, %esp
	call32 999
	call32 5, 8
	call32 5, name
	call32 42, 8
	call32 42, pair
	call32 240, 8, 0, 1
	call32 162, 8
	call32 162, pair, 8
	call32 20
	mov $2, %eax
	int $0x80
	test %eax, %eax
	jnz 1f
	call32 158
	call32 1, 0
1:	call32 158
	call32 7, -1, 8, 0
	call32 7, -1, pair, 0
	int $7				# nothing should: the kernel gives up
	.data
	.balign 8
going:	.long 0
limits:	.long 10, 20
action:	.long handler, 0x04000004, restorer, 0, 0
absent:	.long 0, 0, 0xfffff, 0x51 | 0x20
small:	.long 1, 0, 0xf, 0x41
pair:	.long 0, 0, 0, 0
name:	.asciz "/nowhere"
	.skip 4096
stack:
