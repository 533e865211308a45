# 64-bit system calls as kernels up to 4.2 had them: the tests before and after the call, and the loop over the work before user mode,
# in assembly. C is called for each item.
#   rsp = pt_regs, eax = number, interrupts off, all other registers clear.
# rbx = task_struct, whose start is thread_info. rbp = mask: which work still counts. rdx = what there is of it. Linux has them in rcx,
# edi and edx, and saves those around calls.
#   From: entry_SYSCALL_64, here also called system_call; 32-bit entries (ia32entry.S) and ret_from_fork come to int_ret_from_sys_call.

	sti
	movq	%gs:PER_CPU_current_task, %rbx
LABEL fast_path_check_entry_work
	testl	$_SYSCALL_WORK_ENTER, TI_syscall_work(%rbx)
	jnz	tracesys

# eax = number. Nobody watches the call, or nobody does any more.
LABEL system_call_fastpath
	JUMP_IF_NO_SYSCALL ret_from_sys_call		# pt_regs->ax is -ENOSYS
	.if FAST_PATH
	.if FAST_PATH_STUBS
LABEL fast_path_check_stub
	JUMP_IF_LISTED iret_calls, system_call_iret
	.endif
	CALL_SYSCALL_64
LABEL ret_from_sys_call
	SET_WORK_MASK _ALLWORK_MASK | _TIF_IRET

# Is there anything that keeps the call from leaving as it came?
LABEL sysret_check
	cli
LABEL fast_path_check_exit_work
	GET_WORK
	.if SYSRET_CAREFUL | AUDIT_FAST_PATH
	jnz	sysret_careful
	.else
	jnz	int_ret_from_sys_call_irqs_off
	.endif
	FAST_PATH_SYSRET

	.if SYSRET_CAREFUL | AUDIT_FAST_PATH
LABEL sysret_careful
	.if SYSRET_CAREFUL
	btl	$TIF_NEED_RESCHED, %edx
	jnc	sysret_signal
	sti
	call	schedule_user
	jmp	sysret_check
	.endif
LABEL sysret_signal
	sti
	.if AUDIT_FAST_PATH
	TEST_WORK _WORK_SYSCALL_AUDIT
	jnz	sysret_audit
	.endif
	jmp	int_check_syscall_exit_work
	.endif

	.if AUDIT_FAST_PATH
# Whatever else there is to do: audit comes first, and the flag does not count any more. If there is more, the other path begins with all
# flags again, and who watches the end of the call for another reason has audit asked a second time.
LABEL sysret_audit
	AUDIT_SYSCALL_EXIT_64
	SET_WORK_MASK (_ALLWORK_MASK | _TIF_IRET) & ~_WORK_SYSCALL_AUDIT
	jmp	sysret_check
LABEL auditsys
	AUDIT_SYSCALL_ENTRY_64
	movl	ORIG_RAX(%rsp), %eax
	jmp	system_call_fastpath
	.endif

# Calls that change pt_regs: their stubs go to the way out by IRET.
LABEL system_call_iret
	CALL_SYSCALL_64
	jmp	int_ret_from_sys_call
	.else
	CALL_SYSCALL_64
LABEL ret_from_sys_call
	jmp	int_ret_from_sys_call
	.endif

# Somebody watches. syscall_trace_enter's result is the number to run; a tracer may have made it another, or -1.
LABEL tracesys
	.if AUDIT_FAST_PATH
	testl	$(_SYSCALL_WORK_ENTER & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rbx)
	jz	auditsys
	.endif
	movq	%rsp, %rdi
	.if TRACE_PHASES
# The first half does what needs no whole pt_regs: seccomp, context tracking, and audit if it is alone. 0: that was all.
	movl	$AUDIT_ARCH_X86_64, %esi
	call	syscall_trace_enter_phase1		# (pt_regs, arch)
	testq	%rax, %rax
	jnz	tracesys_phase2
	movl	ORIG_RAX(%rsp), %eax
	jmp	system_call_fastpath
LABEL tracesys_phase2
	movq	%rsp, %rdi
	movl	$AUDIT_ARCH_X86_64, %esi
	movq	%rax, %rdx
	call	syscall_trace_enter_phase2		# (pt_regs, arch, phase 1's result)
	.else
	call	syscall_trace_enter			# (pt_regs)
	.endif
	JUMP_IF_NO_SYSCALL int_ret_from_sys_call
	CALL_SYSCALL_64

# The way out of system calls whose pt_regs somebody may have changed. It ends in IRET, or where SYSRET's conditions are asked.
LABEL int_ret_from_sys_call
	cli
int_ret_from_sys_call_irqs_off:
	SET_WORK_MASK _ALLWORK_MASK
LABEL int_with_check
	movq	%gs:PER_CPU_current_task, %rbx
	GET_WORK
	jnz	int_careful
	andl	$~TS_COMPAT, TI_status(%rbx)		# the end of a 32-bit call
	LAST_USER_ENTER
	jmp	syscall_slow_path_done

# First of all reschedule: whoever runs meanwhile may give this task more to do.
LABEL int_careful
	btl	$TIF_NEED_RESCHED, %edx
	jnc	int_very_careful
	sti
	call	schedule_user
	cli
	jmp	int_with_check

LABEL int_very_careful
	sti
LABEL int_check_syscall_exit_work
	TEST_WORK _WORK_SYSCALL_EXIT
	jz	int_signal
	movq	%rsp, %rdi
	call	syscall_trace_leave			# (pt_regs); once a call
	SET_WORK_MASK _TIF_WORK_MASK
	jmp	int_restore_rest

LABEL int_signal
	testl	$_TIF_DO_NOTIFY_MASK, %edx
	jz	1f
	movq	%rsp, %rdi
	xorl	%esi, %esi
	call	do_notify_resume			# (pt_regs, 0, flags)
1:	SET_WORK_MASK _TIF_WORK_MASK
LABEL int_restore_rest
	cli
	jmp	int_with_check

	.if FAST_PATH & FAST_PATH_STUBS
	BIT_TABLE iret_calls, IRET_CALLS
	.endif
