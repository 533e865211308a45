# Bubble sort of ten bytes in 32-bit code, printed as letters.
	.code32
	.globl	_start
	.section .data
	.align	4
array:	.byte	9, 3, 7, 1, 8, 0, 5, 2, 6, 4
	.equ	count, . - array
newline:
	.byte	'\n
	.section .text
_start:	movl	$count - 1, %edx
outer:	xorl	%esi, %esi
inner:	movb	array(%esi), %al
	movb	array + 1(%esi), %ah
	cmpb	%ah, %al
	jbe	1f
	movb	%al, array + 1(, %esi, 1)
	movb	%ah, array(, %esi)
1:	incl	%esi
	cmpl	%edx, %esi
	jb	inner
	decl	%edx
	jnz	outer
	movl	$count, %ecx
	movl	$array, %edi
2:	addb	$'a, (%edi)
	incl	%edi
	loop	2b
	movl	$4, %eax
	movl	$1, %ebx
	movl	$array, %ecx
	movl	$count + 1, %edx
	int	$0x80
	movl	$1, %eax
	xorl	%ebx, %ebx
	int	$0x80
	.section .note.GNU-stack, "", @progbits
