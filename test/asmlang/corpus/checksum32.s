# Adler-32 of a text, in 32-bit AT&T code with the dialect's own expressions and a status made of it.
	.globl	_start
	.section .rodata
text:	.ascii	"The quick brown fox jumps over the lazy dog"
	.equ	text_size, . - text
	.eqv	modulus, 65521
expected = 0x5bdc0fda
	.text
_start:	movl	$1, %esi
	xorl	%edi, %edi
	xorl	%ecx, %ecx
	movl	$modulus, %ebx
1:	movzbl	text(%ecx), %eax
	addl	%esi, %eax
	xorl	%edx, %edx
	divl	%ebx
	movl	%edx, %esi
	leal	(%edi,%edx), %eax
	xorl	%edx, %edx
	divl	%ebx
	movl	%edx, %edi
	incl	%ecx
	cmpl	$text_size, %ecx
	jne	1b
	shll	$16, %edi
	orl	%edi, %esi
	xorl	%ebx, %ebx
	cmpl	$expected, %esi
	sete	%bl
	movl	$1, %eax
	int	$0x80
	.section .note.GNU-stack, "", @progbits
