# .include and .incbin, with an offset and a count.
	.include "tables.i"
	.section .rodata
raw:	.incbin	"raw.dat"
part:	.incbin	"raw.dat", 2
piece:	.incbin	"raw.dat", 1, 3
	.equ	raw_size, . - raw
	.globl	_start
	.text
_start:	movl	$STEPS, %ecx
	leaq	steps(%rip), %rsi
	xorl	%edi, %edi
1:	movzbl	(%rsi), %eax
	addl	%eax, %edi
	incq	%rsi
	loop	1b
	addl	$raw_size, %edi
	movl	$60, %eax
	syscall
	.section .note.GNU-stack, "", @progbits
