# The loop before user mode of exceptions and interrupts, as kernels up to 4.2 had it: the same work as in system_call.S but for what
# concerns system calls only.
#   rsp = pt_regs, kernel GS base, after the handler. Goes on at retint_swapgs or retint_kernel.
#   rbx = task_struct, ebp = mask, edx = the work that there is.

	cli
	testb	$3, CS(%rsp)
	jz	retint_kernel
LABEL retint_with_reschedule
	movl	$_TIF_WORK_MASK, %ebp
LABEL retint_check
	movq	%gs:PER_CPU_current_task, %rbx
	movl	TI_flags(%rbx), %edx
	andl	%ebp, %edx
	jz	retint_swapgs

LABEL retint_careful
	btl	$TIF_NEED_RESCHED, %edx
	jnc	retint_signal
	sti
	call	schedule_user
	cli
	jmp	retint_check

LABEL retint_signal
	testl	$_TIF_DO_NOTIFY_MASK, %edx
	jz	retint_swapgs
	sti
	movq	$-1, ORIG_RAX(%rsp)			# no system call that could be restarted
	movq	%rsp, %rdi
	xorl	%esi, %esi
	call	do_notify_resume			# (pt_regs, 0, flags)
	cli
	jmp	retint_with_reschedule

# Back into the kernel. Where it may be preempted, this is a place to schedule; interrupts must have been on.
LABEL retint_kernel
	.if CONFIG_PREEMPT
	cmpl	$0, %gs:PER_CPU___preempt_count
	jnz	retint_restore_args
	movq	%gs:PER_CPU_current_task, %rbx
	btl	$TIF_NEED_RESCHED, TI_flags(%rbx)
	jnc	retint_restore_args
	btl	$X86_EFLAGS_IF_BIT, EFLAGS(%rsp)
	jnc	retint_restore_args
	call	preempt_schedule_irq
	jmp	retint_kernel
	.endif
LABEL retint_restore_args
	.if EXIT_CONDITIONAL_SWAPGS
	jmp	retint_leave
LABEL retint_swapgs
	LAST_USER_ENTER
retint_leave:
	.else
	jmp	restore_regs_and_return_to_kernel
LABEL retint_swapgs
	LAST_USER_ENTER
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif
