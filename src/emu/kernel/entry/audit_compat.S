# Audit's fast path for SYSENTER and SYSCALL from 32-bit code, as kernels up to 4.2 had it; INT $0x80 never had one. Other than its 64-bit
# brother it gives way to whatever else there is to do, and knows that a 32-bit error is to be sign-extended.
#   rdi = pt_regs, interrupts off. Makes the call, and does what there is to do before user mode; returns with interrupts off.
ENTRY do_syscall_32_audited
	movq	%gs:PER_CPU_current_task, %rax
	testl	$_SYSCALL_WORK_SYSCALL_AUDIT, TI_syscall_work(%rax)
	jz	ia32_not_audited
	testl	$(_SYSCALL_WORK_ENTER & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rax)
	jnz	ia32_not_audited
LABEL ia32_auditsys
	pushq	%rdi
	movl	ORIG_RAX(%rdi), %esi
	movl	RBX(%rdi), %edx
	movl	RCX(%rdi), %ecx
	movl	RDX(%rdi), %r8d
	movl	RSI(%rdi), %r9d
	movl	$AUDIT_ARCH_I386, %edi
	call	__audit_syscall_entry			# (arch, nr, four arguments)
	popq	%rdi
	sti
	call	ia32_do_call
	cli
	movq	%gs:PER_CPU_current_task, %rax
	testl	$(_SYSCALL_WORK_EXIT & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rax)
	jnz	syscall_exit_to_user_mode
	testl	$_TIF_FAST_PATH_WORK, TI_flags(%rax)
	jnz	syscall_exit_to_user_mode
LABEL ia32_sysexit_audit
	sti
	pushq	%rdi
	movl	RAX(%rdi), %eax
	movl	%eax, %esi
	cmpl	$-MAX_ERRNO, %eax
	jbe	1f
	movslq	%eax, %rsi
1:	setbe	%al
	movzbl	%al, %edi
	call	__audit_syscall_exit			# (success, result)
	popq	%rdi
	cli
	jmp	exit_to_user_mode_prepare

ia32_not_audited:
	sti
	call	do_syscall_32_irqs_on
	cli
	jmp	syscall_exit_to_user_mode
