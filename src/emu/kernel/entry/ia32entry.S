# System calls of 32-bit code on the 64-bit kernel, in assembly as up to Linux 4.2: it notes in thread_info.status that this is a 32-bit call,
# fetches argument 6, asks the flags before and after, and leaves by SYSEXIT or SYSRETL without a look at pt_regs, for nobody has
# changed it. For all else there is int_ret_from_sys_call.
# rbx = task_struct. The registers r8 to r11, which 32-bit code has not, come back as 0.

	.set	_IA32_WORK_ENTRY, _SYSCALL_WORK_ENTER | _SYSCALL_WORK_SYSCALL_EXIT_TRAP

# The frame is on the stack. What 64-bit code had in r8 to r11 is forgotten.
	.macro IA32_SAVE_REGS rcx=%rcx
	PUSH_AND_CLEAR_REGS rcx=\rcx, rax=$-ENOSYS
	cld
	CLEAR_RREGS
	movq	%gs:PER_CPU_current_task, %rbx
	.endm

# ebp = the user's word at its stack pointer: argument 6.
	.macro IA32_FETCH_ARG6 label
	movl	RSP(%rsp), %ebp
	ASM_STAC
LABEL \label
	movl	(%rbp), %ebp
	ASM_CLAC
	EXTABLE	\label, ia32_badarg
	movq	%rbp, RBP(%rsp)
	.endm

	.macro IA32_CALL
	movq	%rsp, %rdi
	call	ia32_sys_call				# (pt_regs): the call of its orig_ax by the table of 32-bit calls
	.endm

# Work after the call, in either word.
	.macro IA32_JUMP_IF_WORK target audit=_SYSCALL_WORK_SYSCALL_AUDIT
	.if WORK_SHIFT
	testl	$(_SYSCALL_WORK_EXIT & ~(_SYSCALL_WORK_SYSCALL_AUDIT ^ \audit)), TI_syscall_work(%rbx)
	jnz	\target
	testl	$_TIF_WORK_MASK, TI_flags(%rbx)
	.else
	testl	$(_ALLWORK_MASK & ~(_SYSCALL_WORK_SYSCALL_AUDIT ^ \audit)), TI_flags(%rbx)
	.endif
	jnz	\target
	.endm

	.macro IA32_EXIT_WORK exit
	.if AUDIT_FAST_PATH_32
	IA32_JUMP_IF_WORK \exit\()_audit
	.else
	IA32_JUMP_IF_WORK ia32_ret_from_sys_call
	.endif
	.endm

# The part of a fast call that is watched. kind = sysenter or cstar.
	.macro IA32_TRACESYS kind
LABEL \kind\()_tracesys
	.if AUDIT_FAST_PATH_32
	testl	$(_IA32_WORK_ENTRY & ~_SYSCALL_WORK_SYSCALL_AUDIT), TI_syscall_work(%rbx)
	jz	\kind\()_auditsys
	.endif
	movq	%rsp, %rdi
	call	syscall_trace_enter			# (pt_regs): the number to run
	cmpl	$IA32_NR_SYSCALL_MAX, %eax
	ja	ia32_ret_from_sys_call			# pt_regs->ax is -ENOSYS, or what the tracer made it
	jmp	\kind\()_do_call
	.endm

# Audit's own way, as long as nothing else is to be done.
	.macro IA32_AUDIT kind exit
	.if AUDIT_FAST_PATH_32
LABEL \kind\()_auditsys
	AUDIT_SYSCALL_ENTRY_32
	jmp	\kind\()_do_call
LABEL \exit\()_audit
	IA32_JUMP_IF_WORK ia32_ret_from_sys_call, 0
	sti
	AUDIT_SYSCALL_EXIT_32
	cli
	IA32_JUMP_IF_WORK ia32_after_audit, 0
	jmp	\exit\()_from_sys_call
	.endif
	.endm

# ------------------------------------------------------------------------------------------------------------------------------
# ia32_sysenter_target: the target of SYSENTER (MSR_IA32_SYSENTER_EIP).
#   The CPU:  CS/SS = kernel's flat segments, rsp = MSR_IA32_SYSENTER_ESP (the entry stack), IF = RF = VM = 0. It saves nothing: rip, rsp
#             and IF are lost, TF, NT and AC stay as the user had them.
#   Regs:     eax = number; ebx ecx edx esi edi = arguments; ebp = user's esp, where argument 6 lies.
#   With TF:  the first instruction here has trapped; exc_debug takes TF away and sets TIF_SINGLESTEP, which counts as work.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY ia32_sysenter_target
	swapgs
	SWITCH_TO_KERNEL_CR3_STACK scratch_reg=%rax at=ia32_sysenter
	movq	%gs:PER_CPU_cpu_current_top_of_stack, %rsp
	sti
	movl	%ebp, %ebp				# 32-bit values
	movl	%eax, %eax
	pushq	$__USER32_DS				# ss
	pushq	%rbp					# sp
	pushfq						# flags, IF on again among them
	pushq	$__USER32_CS				# cs
	movq	%gs:PER_CPU_current_task, %r10
	movl	TI_sysenter_return(%r10), %r10d
	pushq	%r10					# ip
LABEL ia32_sysenter_after_hwframe
	pushq	%rax					# orig_ax
	IA32_SAVE_REGS
	IA32_FETCH_ARG6 sysenter_fetch_arg6
	testl	$(X86_EFLAGS_NT | X86_EFLAGS_AC), EFLAGS(%rsp)
	jnz	sysenter_fix_flags
LABEL sysenter_flags_fixed
	orl	$TS_COMPAT, TI_status(%rbx)
LABEL sysenter_check_entry_work
	testl	$_IA32_WORK_ENTRY, TI_syscall_work(%rbx)
	jnz	sysenter_tracesys
	cmpl	$IA32_NR_SYSCALL_MAX, %eax
	ja	ia32_badsys
LABEL sysenter_do_call
	IA32_CALL
	cli
LABEL sysenter_check_exit_work
	IA32_EXIT_WORK sysexit

# SYSEXIT takes rip from rdx and rsp from rcx; flags are popped, without IF, which comes last: STI's shadow covers SYSEXIT, but not from
# an NMI, whose IRET ends it.
LABEL sysexit_from_sys_call
	andl	$~TS_COMPAT, TI_status(%rbx)
	andl	$~(1 << X86_EFLAGS_IF_BIT), EFLAGS(%rsp)
	movl	RIP(%rsp), %edx
	movq	RBX(%rsp), %rbx
	movq	RBP(%rsp), %rbp
	movq	RAX(%rsp), %rax
	movq	RSI(%rsp), %rsi
	movq	RDI(%rsp), %rdi
	addq	$EFLAGS, %rsp
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	popfq
	popq	%rcx
	SWITCH_TO_USER_CR3_KEEP_FLAGS scratch_reg=%r8 at=sysexit
	swapgs
	sti
LABEL sysexit_to_user
	sysexit

LABEL sysenter_fix_flags
	pushq	$(X86_EFLAGS_FIXED | (1 << X86_EFLAGS_IF_BIT))
	popfq
	jmp	sysenter_flags_fixed

	IA32_TRACESYS sysenter
	IA32_AUDIT sysenter, sysexit

# ------------------------------------------------------------------------------------------------------------------------------
# ia32_cstar_target: the target of SYSCALL in compatibility mode (MSR_CSTAR); AMD only.
#   The CPU:  ecx = return address, r11 = rflags, rflags &= ~MSR_SYSCALL_MASK, CS/SS = kernel's flat segments. rsp is the user's.
#   Regs:     eax = number; ebx ebp edx esi edi = arguments 1 to 5 (argument 2 in ebp, for ecx is taken); argument 6 at (esp).
#   Returns:  where SYSENTER does, not to ecx: today's vDSO has an INT $0x80 there, which the old one had not.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY ia32_cstar_target
	swapgs
	movl	%esp, %r8d
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rsp at=ia32_cstar
	movq	%gs:PER_CPU_cpu_current_top_of_stack, %rsp
	sti
	movl	%eax, %eax
	pushq	$__USER32_DS				# ss
	pushq	%r8					# sp
	pushq	%r11					# flags
	pushq	$__USER32_CS				# cs
	movq	%gs:PER_CPU_current_task, %r10
	movl	TI_sysenter_return(%r10), %r10d
	pushq	%r10					# ip
LABEL ia32_cstar_after_hwframe
	pushq	%rax					# orig_ax
	IA32_SAVE_REGS rcx=%rbp
	IA32_FETCH_ARG6 cstar_fetch_arg6
	orl	$TS_COMPAT, TI_status(%rbx)
LABEL cstar_check_entry_work
	testl	$_IA32_WORK_ENTRY, TI_syscall_work(%rbx)
	jnz	cstar_tracesys
	cmpl	$IA32_NR_SYSCALL_MAX, %eax
	ja	ia32_badsys
LABEL cstar_do_call
	IA32_CALL
	cli
LABEL cstar_check_exit_work
	IA32_EXIT_WORK sysretl
LABEL sysretl_from_sys_call
	andl	$~TS_COMPAT, TI_status(%rbx)
	jmp	sysret32_from_system_call

	IA32_TRACESYS cstar
	IA32_AUDIT cstar, sysretl

# ------------------------------------------------------------------------------------------------------------------------------
# ia32_syscall: INT $0x80, from 32-bit or 64-bit code.
#   The CPU:  switches to TSS.sp0 (the entry stack), pushes ss, rsp, rflags, cs, rip; the gate turns IF off.
#   Regs:     eax = number; ebx ecx edx esi edi ebp = arguments.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY ia32_syscall
	INT80_FRAME
	movq	%gs:PER_CPU_current_task, %rbx
	movl	ORIG_RAX(%rsp), %eax
	sti
	orl	$TS_COMPAT, TI_status(%rbx)
LABEL ia32_check_entry_work
	testl	$_IA32_WORK_ENTRY, TI_syscall_work(%rbx)
	jnz	ia32_tracesys
	cmpl	$IA32_NR_SYSCALL_MAX, %eax
	ja	ia32_badsys
LABEL ia32_do_call
	IA32_CALL
LABEL ia32_ret_from_sys_call
	.if EXIT_LOOP_ASM
	jmp	int_ret_from_sys_call
	.else
	cli
	movq	%rsp, %rdi
	call	syscall_exit_to_user_mode
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif

LABEL ia32_tracesys
	movq	%rsp, %rdi
	call	syscall_trace_enter			# (pt_regs): the number to run
	cmpl	$IA32_NR_SYSCALL_MAX, %eax
	ja	ia32_ret_from_sys_call
	jmp	ia32_do_call

# The table has no such call, and there is none that could be restarted.
LABEL ia32_badsys
	movq	$0, ORIG_RAX(%rsp)
	movq	$-ENOSYS, RAX(%rsp)
	jmp	ia32_ret_from_sys_call

# A fault of the fetch of argument 6, from the exception table: no call, and not a 32-bit one either.
LABEL ia32_badarg
	ASM_CLAC
	movq	$-EFAULT, RAX(%rsp)
	jmp	ia32_ret_from_sys_call

	.if AUDIT_FAST_PATH_32
# Audit has been asked. What came up meanwhile is done without asking it again.
LABEL ia32_after_audit
	.if EXIT_LOOP_ASM
	SET_WORK_MASK _ALLWORK_MASK & ~_WORK_SYSCALL_AUDIT
	jmp	int_with_check
	.else
	movq	%rsp, %rdi
	call	exit_to_user_mode_prepare
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif
	.endif
