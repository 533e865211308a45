# Recursive Fibonacci with call frame information on every instruction; the status is fib(12) & 0xff.
	.file	"fibonacci_cfi64.s"
	.text
	.globl	fib
	.type	fib, @function
	.p2align 4,,15
fib:	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	pushq	%rbx
	.cfi_offset %rbx, -24
	subq	$8, %rsp
	movl	%edi, %eax
	cmpl	$1, %edi
	jle	.Ldone
	movl	%edi, %ebx
	leal	-1(%rdi), %edi
	call	fib
	leal	-2(%rbx), %edi
	movl	%eax, %ebx
	call	fib
	addl	%ebx, %eax
.Ldone:	.cfi_remember_state
	addq	$8, %rsp
	popq	%rbx
	.cfi_restore %rbx
	popq	%rbp
	.cfi_restore %rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_restore_state
.Lnever:
	ud2
	.cfi_endproc
	.size	fib, .-fib
	.globl	_start
	.type	_start, @function
_start:	.cfi_startproc
	.cfi_undefined %rip
	movl	$12, %edi
	call	fib
	movzbl	%al, %edi
	movl	$60, %eax
	syscall
	.cfi_endproc
	.size	_start, .-_start
	.ident	"written by hand"
	.section .note.GNU-stack,"",@progbits
