# What a compiler for a small language would write: .file and .loc for a source of its own.
	.file	"prog.lang"
	.text
	.file	1 "prog.lang"
	.file	2 "lib.lang"
	.globl	_start
	.type	_start, @function
_start:
	.loc	1 3 0
	movl	$2, %edi
	.loc	1 4 7 prologue_end
	call	double
	.loc	1 4 1 is_stmt 0
	movl	%eax, %edi
	.loc	1 5 1 is_stmt 1
	movl	$60, %eax
	.loc	1 6 1 epilogue_begin
	syscall
	.size	_start, .-_start
	.type	double, @function
double:
	.loc	2 10 0 basic_block
	leal	(%rdi,%rdi), %eax
	.loc	2 11 3 discriminator 2
	ret
	.size	double, .-double
	.section .note.GNU-stack,"",@progbits
