# mmap, string instructions and far distances: branches that must grow, and lookups relative to RIP.
	.globl	_start
	.text
_start:	xorl	%edi, %edi
	movl	$8192, %esi
	movl	$3, %edx
	movl	$0x22, %r10d
	movq	$-1, %r8
	xorl	%r9d, %r9d
	movl	$9, %eax
	syscall
	testq	%rax, %rax
	js	fail
	movq	%rax, %rbx
	movq	%rax, %rdi
	movb	$'=', %al
	movl	$20, %ecx
	rep	stosb
	movb	$10, (%rdi)
	movq	%rbx, %rsi
	movl	$21, %edx
	movl	$1, %edi
	movl	$1, %eax
	syscall
	jmp	far_away
	.skip	200, 0x90
near:	jmp	finish
	.skip	127 - 2, 0x90
finish:	movl	$60, %eax
	movl	$9, %edi
	syscall
	.skip	1000, 0x90
far_away:
	jrcxz	1f
1:	jne	near
	je	near
fail:	movl	$60, %eax
	movl	$1, %edi
	syscall
	.section .note.GNU-stack, "", @progbits
