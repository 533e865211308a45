# Intel syntax with and without prefixes, switched back and forth, in 32-bit code. Exits with the sum of a matrix's diagonal.
	.code32
	.intel_syntax prefix
	.globl	_start
	.data
matrix:	.long	1, 2, 3
	.long	4, 5, 6
	.long	7, 8, 9
	.text
_start:	xor	%ebx, %ebx
	mov	%ecx, 2
	.intel_syntax noprefix
top:	lea	eax, [ecx + ecx * 2]
	add	eax, ecx
	add	ebx, dword ptr matrix[eax * 4]
	dec	ecx
	jns	top
	.att_syntax noprefix
	movl	$1, eax
	.att_syntax prefix
	int	$0x80
	.section .note.GNU-stack, "", @progbits
