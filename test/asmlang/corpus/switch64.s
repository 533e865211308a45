# A jump table of differences, as position independent code has it, and one of addresses.
	.globl	_start
	.text
_start:	xorl	%ebx, %ebx
	xorl	%r12d, %r12d
again:	leaq	table(%rip), %rdx
	movslq	(%rdx,%r12,4), %rax
	addq	%rdx, %rax
	jmp	*%rax
case0:	addl	$1, %ebx
	jmp	done
case1:	addl	$10, %ebx
	jmp	done
case2:	addl	$20, %ebx
done:	incl	%r12d
	cmpl	$(table_end - table) / 4, %r12d
	jb	again
	movq	absolute + 8, %rax
	leaq	exit(%rip), %rcx
	cmpq	%rcx, %rax
	sete	%cl
	movzbl	%cl, %ecx
	addl	%ecx, %ebx
	jmp	*absolute + 8(%rip)
exit:	movl	%ebx, %edi
	movl	$60, %eax
	syscall
	.section .rodata
	.p2align 2
table:	.long	case0 - table, case1 - table, case2 - table, case1 - table
table_end:
	.balign	8
absolute:
	.quad	_start, exit
	.section .note.GNU-stack, "", @progbits
