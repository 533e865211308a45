	.text
	.globl _start
_start:
	pushl %ebp
	movl %esp, %ebp
	movl data, %eax
	movl $data, %ebx
	movl data+4(,%ecx,4), %edx
	movw %ax, %es:(%edi)
	call 1f
1:	popl %eax
	addl $_start - 1b, %eax
	jecxz 1b
	loop 1b
	jmp 3f
	.fill 200, 1, 0x90
2:	jne 1b
3:	lcall $0x33, $target
	ljmp $8, $0x1000
	int3
	sysenter
	sysexit
	pushf
	popfl
	pusha
	popal
	lret $4
	bound %eax, (%ebx)
	.align 16
target:
	.code16
	movw $0x10, %ax
	movw %ax, %ds
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmp $8, $prot
	data32 ljmp *(%bx)
	movb 4(%bx,%si), %al
	movl (%eax), %ebx
	jmp 4f
	jz target
	.p2align 5
4:	hlt
	.code32
prot:	movl $0x10, %eax
	.p2align 5
	cli
	hlt
	.data
data:	.long 1, _start, data, prot - target
	.short 1, 2
