# NMI entry. NMIs stay blocked until the next IRET, whoever executes it; an exception inside the handler returns by IRET and so
# unblocks them early. A second NMI would then start at the top of the same IST stack, over the first one's frame. So the first
# NMI works on a copy: the stack holds, from the top,
#	original frame (5 words)	the processor's; free to be overwritten once copied
#	saved rdx
#	"NMI executing"			1 while the first NMI is at work
#	iret frame (5 words)		what the final IRET uses; a nested NMI redirects it to repeat_nmi
#	outermost frame (5 words)	the copy, never changed
#	pt_regs' lower part
#
# asm_exc_nmi:
#   The CPU:  switches to IST stack 2 from any mode, pushes ss, rsp, rflags, cs, rip; NMIs blocked, IF off.
#   GS base:  unknown if from kernel mode.
ENTRY asm_exc_nmi
	ASM_CLAC
	cld
	.if NMI_NESTING == 0
# As up to Linux 3.2: an NMI like any other exception with a stack of its own, wherever it came from.
	pushq	$-1
	call	paranoid_entry
	movq	%rsp, %rdi
	movq	$-1, %rsi
	call	exc_nmi
	jmp	paranoid_exit
	.else
	pushq	%rdx
	testb	$3, (CS - RIP + 8)(%rsp)
	jz	nmi_from_kernel

# From user mode: an ordinary frame on the task's stack, and no exit work, for that would turn interrupts on with NMIs blocked.
	swapgs
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rdx at=nmi
	movq	%rsp, %rdx
	movq	%gs:PER_CPU_cpu_current_top_of_stack, %rsp
	pushq	(5*8)(%rdx)			# ss
	pushq	(4*8)(%rdx)			# sp
	pushq	(3*8)(%rdx)			# flags
	pushq	(2*8)(%rdx)			# cs
	pushq	(1*8)(%rdx)			# ip
	pushq	$-1
	PUSH_AND_CLEAR_REGS rdx=(%rdx)
	movq	%rsp, %rdi
	movq	$-1, %rsi
	call	exc_nmi
	jmp	swapgs_restore_regs_and_return_to_usermode

# From kernel mode: nested or not? Three tests. Between repeat_nmi and end_repeat_nmi the outer one is about to run the handler.
LABEL nmi_from_kernel
	movq	$repeat_nmi, %rdx
	cmpq	8(%rsp), %rdx
	ja	nmi_check_executing
	movq	$end_repeat_nmi, %rdx
	cmpq	8(%rsp), %rdx
	ja	nested_nmi_out
LABEL nmi_check_executing
	cmpl	$1, -8(%rsp)
	je	nested_nmi
# After the mark is cleared and before IRET: rsp is in the NMI stack. User mode may have put such a value into rsp before SYSCALL,
# but it cannot have DF set there, and the code below sets DF before it clears the mark.
LABEL nmi_check_stack
	leaq	(6*8)(%rsp), %rdx
	cmpq	%rdx, (4*8)(%rsp)
	ja	first_nmi
	subq	$EXCEPTION_STKSZ, %rdx
	cmpq	%rdx, (4*8)(%rsp)
	jb	first_nmi
	testb	$(X86_EFLAGS_DF >> 8), (3*8 + 1)(%rsp)
	jz	first_nmi

# Make the outer NMI's IRET go to repeat_nmi, with the stack as it expects it there: at the outermost frame.
LABEL nested_nmi
	subq	$8, %rsp
	leaq	(-10*8)(%rsp), %rdx
	pushq	$__KERNEL_DS
	pushq	%rdx
	pushfq
	pushq	$__KERNEL_CS
	pushq	$repeat_nmi
	addq	$(6*8), %rsp
LABEL nested_nmi_out
	popq	%rdx
	iretq

LABEL first_nmi
	movq	(%rsp), %rdx
	pushq	$0				# "NMI executing"
	subq	$(5*8), %rsp			# iret frame
	.rept	5
	pushq	(11*8)(%rsp)			# outermost frame
	.endr

LABEL repeat_nmi
	movq	$1, (10*8)(%rsp)
	addq	$(10*8), %rsp
	.rept	5
	pushq	(-6*8)(%rsp)			# outermost frame -> iret frame
	.endr
	subq	$(5*8), %rsp
LABEL end_repeat_nmi
	pushq	$-1
	call	paranoid_entry
	movq	%rsp, %rdi
	movq	$-1, %rsi
	call	exc_nmi
	RESTORE_CR3 save_reg=%r14 at=nmi
	.if X86_FEATURE_FSGSBASE
	wrgsbase %rbx
	.else
	testl	%ebx, %ebx
	jnz	nmi_restore
	swapgs
	.endif
LABEL nmi_restore
	POP_REGS
	addq	$(6*8), %rsp			# orig_ax and the outermost frame
	std
	movq	$0, (5*8)(%rsp)
	iretq
	.endif
