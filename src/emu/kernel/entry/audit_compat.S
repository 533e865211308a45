# Audit's fast path for SYSENTER and SYSCALL from 32-bit code, as kernels up to 4.2 had it; INT $0x80 never had one. Other than its 64-bit
# brother it gives way to whatever else there is to do.
#   rdi = pt_regs, interrupts off. Makes the call, and does what there is to do before user mode; returns with interrupts off.
ENTRY do_syscall_32_audited
	movq	%gs:PER_CPU_current_task, %rax
	testl	$_SYSCALL_WORK_SYSCALL_AUDIT, TI_syscall_work(%rax)
	jz	ia32_not_audited
	testl	$(_SYSCALL_WORK_ENTER & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rax)
	jnz	ia32_not_audited
LABEL ia32_auditsys
	pushq	%rdi
	AUDIT_SYSCALL_ENTRY_32 %rdi
	popq	%rdi
	sti
	call	ia32_sys_call
	cli
	movq	%gs:PER_CPU_current_task, %rax
	testl	$(_SYSCALL_WORK_EXIT & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rax)
	jnz	syscall_exit_to_user_mode
	testl	$_TIF_FAST_PATH_WORK, TI_flags(%rax)
	jnz	syscall_exit_to_user_mode
LABEL ia32_sysexit_audit
	sti
	pushq	%rdi
	AUDIT_SYSCALL_EXIT_32 %rdi
	popq	%rdi
	cli
	jmp	exit_to_user_mode_prepare

ia32_not_audited:
	sti
	call	do_syscall_32_irqs_on
	cli
	jmp	syscall_exit_to_user_mode
