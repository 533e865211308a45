# Sections pushed, popped and divided; symbols of every visibility. The text is put together out of order.
	.globl	_start, shown
	.global	_start
	.weak	absent
	.hidden	inside
	.internal deep
	.protected guarded
	.local	pool
	.comm	pool, 24, 8
	.comm	shared, 16
	.lcomm	scratch, 8
	.section .rodata.str1.1, "aMS", @progbits, 1
.Lname:	.string	"tail\n"
	.text
	.subsection 2
late:	movl	$60, %eax
	leaq	absent(%rip), %rdi
	movl	$5, %edi
	syscall
	.previous
	.text	0
_start:	movl	$1, %eax
	movl	$1, %edi
	leaq	line(%rip), %rsi
	.pushsection .data, 1
	.ascii	"two "
	.popsection
	movl	$line_size, %edx
	.pushsection .data
line:	.ascii	"one "
	.popsection
	syscall
	jmp	middle
	.section .data
	.subsection 3
	.ascii	"three\n"
	line_size = . - line
	.text	1
middle:	movl	$1, %eax
	movl	$1, %edi
	leaq	.Lname(%rip), %rsi
	movl	$5, %edx
	syscall
	movq	$1, pool(%rip)
	movq	$2, scratch(%rip)
	movq	$3, shared(%rip)
	.section .init_array, "aw", @init_array
	.balign	8
	.quad	inside
	.section .text.rare, "ax", @progbits
shown:	nop
inside:	nop
deep:	nop
guarded: ret
	.type	inside, STT_FUNC
	.type	shown, "function"
	.type	deep, %function
	.size	shown, 1
	.bss
	.balign	16
zeroed:	.zero	32
	.type	zeroed, @object
	.size	zeroed, 32
	.section .note.GNU-stack, "", @progbits
