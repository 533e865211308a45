# The fast path of kernels up to 4.6: a system call that nobody watches, and after which there is nothing to do, leaves by SYSRET without
# a look at pt_regs, for nobody can have changed it. Whatever else may have happened shows in a flag, or in the call's number.
#   rsp = pt_regs, eax = number, interrupts off, all other registers clear.

# Calls that change pt_regs have a stub of their own, which leaves by the slow path. Other designs set a flag instead.
	.macro JUMP_IF_STUB target
	.if FAST_PATH_STUBS
	JUMP_IF_LISTED ptregs_calls, \target
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
	.if FAST_PATH_STUBS
LABEL fast_path_check_stub
	.endif
	JUMP_IF_STUB syscall_slow_path

fast_path_call:
	sti
	CALL_SYSCALL_64
	cli
LABEL fast_path_check_exit_work
	movq	%gs:PER_CPU_current_task, %rbx
	testl	$_TIF_FAST_PATH_WORK, TI_flags(%rbx)
	jnz	fast_path_exit_work
	testl	$_SYSCALL_WORK_EXIT, TI_syscall_work(%rbx)
	jnz	fast_path_exit_work
fast_path_sysret:
	FAST_PATH_SYSRET

	.if AUDIT_FAST_PATH
# Audit as kernels up to 4.0 had it: a call that nothing else watches does not leave the fast path.
LABEL fast_path_check_only_audit
	testl	$(_SYSCALL_WORK_ENTER & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rbx)
	jnz	syscall_slow_path
	JUMP_IF_STUB syscall_slow_path
LABEL auditsys
	AUDIT_SYSCALL_ENTRY_64
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
	sti
	AUDIT_SYSCALL_EXIT_64
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

	.if FAST_PATH_STUBS
	BIT_TABLE ptregs_calls, PTREGS_CALLS
	.endif
