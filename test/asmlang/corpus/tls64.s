# Thread-local storage by hand: arch_prctl sets FS, @tpoff and @gottpoff find the variables.
	.globl	_start, counter
	.section .tdata, "awT", @progbits
	.balign	8
counter: .quad	40
	.type	counter, @tls_object
	.section .tbss, "awT", @nobits
	.balign	8
other:	.zero	8
	.bss
	.balign	64
block:	.zero	256
	.text
_start:	leaq	block + 128(%rip), %rsi
	movq	%rsi, (%rsi)
	movl	$0x1002, %edi
	movl	$158, %eax
	syscall
	movq	$40, %fs:counter@tpoff
	movq	counter@gottpoff(%rip), %rax
	addq	$1, %fs:(%rax)
	movq	%fs:0, %rax
	leaq	other@tpoff(%rax), %rcx
	movq	$1, (%rcx)
	movq	%fs:counter@tpoff, %rdi
	addq	%fs:other@tpoff, %rdi
	call	leave@PLT
	.hidden	leave
	.globl	leave
leave:	movq	value@GOTPCREL(%rip), %rax
	addq	(%rax), %rdi
	movl	$60, %eax
	syscall
	.data
	.globl	value
value:	.quad	7
	.section .note.GNU-stack, "", @progbits
