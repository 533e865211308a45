# The fast path of kernels up to 4.6: a system call that nobody watches, and after which there is nothing to do, leaves by SYSRET without
# a look at pt_regs, for nobody can have changed it. Whatever else may have happened shows in a flag, or in the call's number.
#   rsp = pt_regs, eax = number, interrupts off, all other registers clear.

# Calls that change pt_regs have a stub of their own, which leaves by the slow path. Other designs set a flag instead.
	.macro JUMP_IF_STUB target
	.if EXIT_STUBS | SYSRET_FAST_PATH | (EXIT_FAST_PATH == 0)
	cmpl	$(8 * (ptregs_calls_end - ptregs_calls)), %eax
	jae	1f
	btl	%eax, ptregs_calls(%rip)
	jc	\target
1:
	.endif
	.endm

LABEL fast_path_check_entry_work
	movq	%gs:PER_CPU_current_task, %rbx
	testl	$_SYSCALL_WORK_ENTER, TI_syscall_work(%rbx)
	.if AUDIT_FAST_PATH
	jnz	fast_path_check_only_audit
	.else
	jnz	syscall_slow_path
	.endif
	.if EXIT_STUBS | SYSRET_FAST_PATH | (EXIT_FAST_PATH == 0)
LABEL fast_path_check_stub
	.endif
	JUMP_IF_STUB syscall_slow_path

fast_path_call:
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
fast_path_sysret:
	movq	RIP(%rsp), %rcx
	movq	EFLAGS(%rsp), %r11
	movq	%rcx, RCX(%rsp)
	movq	%r11, R11(%rsp)
	jmp	syscall_return_via_sysret

	.if AUDIT_FAST_PATH
# Audit as kernels up to 4.0 had it: a call that nothing else watches does not leave the fast path.
LABEL fast_path_check_only_audit
	testl	$(_SYSCALL_WORK_ENTER & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rbx)
	jnz	syscall_slow_path
	JUMP_IF_STUB syscall_slow_path
LABEL auditsys
	movl	$AUDIT_ARCH_X86_64, %edi
	movslq	%eax, %rsi
	movq	RDI(%rsp), %rdx
	movq	RSI(%rsp), %rcx
	movq	RDX(%rsp), %r8
	movq	R10(%rsp), %r9
	call	__audit_syscall_entry			# (arch, nr, four arguments)
	movl	ORIG_RAX(%rsp), %eax
	jmp	fast_path_call
	.endif

LABEL fast_path_exit_work
	.if AUDIT_FAST_PATH
	testl	$_SYSCALL_WORK_SYSCALL_AUDIT, TI_syscall_work(%rbx)
	jz	fast_path_slow_exit
# Whatever else there is to do: audit comes first, and the flag does not count any more. Who watches the end of the call for another reason
# goes to the slow path, which asks audit a second time.
LABEL sysret_audit
	movq	RAX(%rsp), %rsi
	xorl	%edi, %edi
	cmpq	$-MAX_ERRNO, %rsi			# an error that is exactly -MAX_ERRNO passes for success
	setbe	%dil
	sti
	call	__audit_syscall_exit			# (success, result)
	cli
LABEL fast_path_check_more_work
	testl	$(_SYSCALL_WORK_EXIT & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rbx)
	jnz	fast_path_slow_exit
	testl	$_TIF_FAST_PATH_WORK, TI_flags(%rbx)
	jz	fast_path_sysret
	movq	%rsp, %rdi
	call	exit_to_user_mode_prepare
	jmp	syscall_slow_path_done
	.endif
fast_path_slow_exit:
	movq	%rsp, %rdi
	call	syscall_exit_to_user_mode
	jmp	syscall_slow_path_done

	.if EXIT_STUBS | SYSRET_FAST_PATH | (EXIT_FAST_PATH == 0)
	.section .rodata, "a"
	.balign	8
ptregs_calls:
	.quad	PTREGS_CALLS_0, PTREGS_CALLS_1, PTREGS_CALLS_2, PTREGS_CALLS_3
	.quad	PTREGS_CALLS_4, PTREGS_CALLS_5, PTREGS_CALLS_6, PTREGS_CALLS_7
ptregs_calls_end:
	.section .entry.text, "ax"
	.endif
