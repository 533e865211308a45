# The first program: two strings, one system call each.
	.globl	_start
	.type	_start, @function
	.equ	SYS_write, 1
	.equiv	SYS_exit, 60
	.text
_start:	movl	$SYS_write, %eax
	movl	$1, %edi
	leaq	greeting(%rip), %rsi
	movl	$greeting_size, %edx
	syscall
	movl	$SYS_write, %eax
	movl	$1, %edi
	movq	$farewell, %rsi
	movzbl	farewell_size(%rip), %edx
	syscall
	movl	$SYS_exit, %eax
	xorl	%edi, %edi
	syscall
	.size	_start, . - _start

	.section .rodata
greeting:
	.ascii	"hello, ", "world\n"
	greeting_size = . - greeting
farewell:
	.ascii	"bye\12"
	.set	length, . - farewell
farewell_size:
	.byte	length
	.section .note.GNU-stack, "", @progbits
