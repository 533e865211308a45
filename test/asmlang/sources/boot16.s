# 16-bit code as in a boot sector
	.code16
	.globl _start
_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7c00, %sp
	ljmp $0, $1f
1:	movb $0x0e, %ah
	movw $message, %si
2:	lodsb
	testb %al, %al
	jz 3f
	int $0x10
	jmp 2b
3:	lgdt gdt_pointer
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $8, $protected
	movl (%esi), %eax
	movw 4(%bp), %ax
	movw %es:(%bx,%di), %cx
	pushl $5
	pushw $5
	push %ax
	call 2b
	calll 2b
	ret
	retl
	lret
	iret
	jmp far_label
	jne far_label
	addr32 movb (%eax), %al
	data32 ret
	inw $0x60, %ax
	repne scasw
	movsl
	enter $4, $0
	.skip 140
far_label:
	hlt
	.p2align 4
	.code32
protected:
	movw $16, %ax
	movw %ax, %ds
	jmp far_label
	.p2align 4
	.code64
	movq %rax, %rbx
	.p2align 5
	.code16
gdt_pointer:
	.word 23
	.long gdt
gdt:	.quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
message: .asciz "boot"
	.org 510
	.word 0xaa55
