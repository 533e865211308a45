# A boot sector: real mode, then protected mode, in one source. Not run here; its bytes are compared.
	.code16
	.text
	.globl	_start
_start:	ljmp	$0, $1f
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	$text, %si
2:	lodsb
	testb	%al, %al
	jz	3f
	movb	$0x0e, %ah
	movw	$7, %bx
	int	$0x10
	jmp	2b
3:	.code16gcc
	call	helper
	pushl	%ebp
	movl	8(%esp), %eax
	ret
helper:	ret
	.code16
	cli
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$8, $protected
	.code32
protected:
	movw	$16, %ax
	movw	%ax, %ds
	hlt
	jmp	protected
text:	.asciz	"booting"
	.balign	8
gdt:	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
	.org	510
	.word	0xaa55
