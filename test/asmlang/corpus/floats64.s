# Floating-point constants of every width; the program computes 6.0 * 7.0 and a sum in x87, exits with 42.
	.data
	.balign	16
six:	.float	6.0
seven:	.single	7
half:	.double	0.5, -0.25e3, 1e-310
ten:	.tfloat	1.0
	.skip	6
	.hfloat	1.5
	.bfloat16 1.5
	.octa	1, -1
	.uleb128 624485, 0, 127, 128
	.sleb128 -123456, 63, 64, -64, -65
	.globl	_start
	.text
_start:	movss	six(%rip), %xmm0
	mulss	seven(%rip), %xmm0
	cvttss2si %xmm0, %edi
	fldt	ten(%rip)
	fadds	six(%rip)
	fmull	half(%rip)
	fistpl	-4(%rsp)
	subl	$4, -4(%rsp)
	addl	-4(%rsp), %edi
	movl	$60, %eax
	syscall
	.section .note.GNU-stack, "", @progbits
