# Comes into the kernel in every way that costs.ts counts; each label stands at the instruction that does.
	.globl	_start
_start:	lea	-256(%rsp), %rsp
	mov	$154, %eax			# modify_ldt(0x11, descriptor, 16): a 16-bit stack segment
	mov	$0x11, %edi
	lea	descriptor(%rip), %rsi
	mov	$16, %edx
	syscall
	mov	$13, %eax			# rt_sigaction(SIGUSR1, action, 0, 8)
	mov	$10, %edi
	lea	action(%rip), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall
	mov	$39, %eax
	.globl	plain
plain:	syscall
	mov	%eax, %ebx
	mov	$39, %eax
	.globl	work
work:	syscall
	mov	$39, %eax
	.globl	watched
watched: syscall
	mov	$62, %eax			# kill(getpid(), SIGUSR1)
	mov	%ebx, %edi
	mov	$10, %esi
	syscall
	mov	$20, %eax
	.globl	int80
int80:	int	$0x80
	.globl	fault
fault:	mov	data(%rip), %al
	nop
	.globl	irq
irq:	nop
	nop
	.globl	nmi
nmi:	nop
	mov	%rsp, %rbp			# to 32-bit code on the 16-bit stack and back
	lea	compat(%rip), %rax
	push	$0x23
	push	%rax
	lretq
	.code32
compat:	mov	$7, %eax
	mov	%eax, %ss
	mov	$20, %eax
	.globl	stack16
stack16: int	$0x80
	mov	$0x2b, %eax
	mov	%eax, %ss
	ljmp	$0x33, $flat
	.code64
flat:	mov	%rbp, %rsp
	xor	%edi, %edi
	mov	$60, %eax
	syscall
handler: ret
restore: mov	$15, %eax
	.globl	sigreturn
sigreturn: syscall

	.data
action:	.quad	handler, 0x04000000, restore, 0
descriptor: .long 0, 0, 0xffff, 0
	.bss
	.balign	4096
data:	.skip	4096
