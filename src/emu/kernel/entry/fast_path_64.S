# The fast path of kernels up to 4.6: a system call that nobody watches, and after which there is nothing to do, leaves by SYSRET without
# a look at pt_regs, for nobody can have changed it. Whatever else may have happened shows in a flag, or in the call's number.
#   rsp = pt_regs, eax = number, interrupts off, all other registers clear.
LABEL fast_path_check_entry_work
	movq	%gs:PER_CPU_current_task, %rbx
	testl	$_SYSCALL_WORK_ENTER, TI_syscall_work(%rbx)
	jnz	syscall_slow_path

	.if EXIT_STUBS | SYSRET_FAST_PATH
# Calls that change pt_regs have a stub of their own, which leaves by the slow path.
LABEL fast_path_check_stub
	cmpl	$(8 * (ptregs_calls_end - ptregs_calls)), %eax
	jae	fast_path_call
	btl	%eax, ptregs_calls(%rip)
	jc	syscall_slow_path
fast_path_call:
	.endif

	movq	%rsp, %rdi
	movslq	%eax, %rsi
	sti
	call	do_syscall_x64
	cli
LABEL fast_path_check_exit_work
	movq	%gs:PER_CPU_current_task, %rbx
	testl	$_TIF_FAST_PATH_WORK, TI_flags(%rbx)
	jnz	fast_path_exit_work
	testl	$_SYSCALL_WORK_EXIT, TI_syscall_work(%rbx)
	jnz	fast_path_exit_work
	movq	RIP(%rsp), %rcx
	movq	EFLAGS(%rsp), %r11
	movq	%rcx, RCX(%rsp)
	movq	%r11, R11(%rsp)
	jmp	syscall_return_via_sysret
LABEL fast_path_exit_work
	movq	%rsp, %rdi
	call	syscall_exit_to_user_mode
	jmp	syscall_slow_path_done

	.if EXIT_STUBS | SYSRET_FAST_PATH
	.section .rodata, "a"
	.balign	8
ptregs_calls:
	.quad	PTREGS_CALLS_0, PTREGS_CALLS_1, PTREGS_CALLS_2, PTREGS_CALLS_3
	.quad	PTREGS_CALLS_4, PTREGS_CALLS_5, PTREGS_CALLS_6, PTREGS_CALLS_7
ptregs_calls_end:
	.section .entry.text, "ax"
	.endif
