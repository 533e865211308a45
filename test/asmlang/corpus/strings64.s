# Every string and filling directive; the program adds all bytes of the block up and exits with the sum's low byte.
	.data
block:	.string	"one", "two"
	.asciz	"three\t\x41\101\"\\"
	.ascii	"no zero"
	.string16 "wide"
	.string32 "w"
	.skip	3, 0x11
	.space	2
	.zero	4
	.fill	3, 2, 0x1234
	.fill	2
	.byte	'x', '\n', 1 + 2 * 3, ~0, !5
	.2byte	0x1122
	.short	-1
	.hword	7
	.value	8
	.word	9
	.4byte	0x33445566
	.long	block_end - block
	.int	-2
	.8byte	0x778899aabbccddee
	.quad	-3
	.octa	0x0123456789abcdef0011223344556677
	.org	block + 200, 0x5a
	.balign	8, 0xff
	.balignw 16, 0xabcd
	.p2alignl 5, 0x01020304
	.nops	5
block_end:
	.globl	_start
	.text
_start:	leaq	block(%rip), %rsi
	movl	$block_end - block, %ecx
	xorl	%edi, %edi
	xorl	%eax, %eax
1:	lodsb
	addl	%eax, %edi
	loop	1b
	movzbl	%dil, %edi
	movl	$60, %eax
	syscall
	.section .note.GNU-stack, "", @progbits
