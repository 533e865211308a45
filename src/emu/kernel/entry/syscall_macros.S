# What the ways of a 64-bit system call have in common. rsp = pt_regs.

# Any of the designs in which a call may leave by SYSRET untested; and those in which calls that change pt_regs are known by their number.
# Others set a flag instead.
	.set	FAST_PATH, EXIT_FAST_PATH | SYSRET_FAST_PATH | AUDIT_FAST_PATH
	.set	FAST_PATH_STUBS, EXIT_STUBS | SYSRET_FAST_PATH | (EXIT_FAST_PATH == 0)

# Work after a call, as one word. Up to 5.10 it was one, thread_info.flags; since then what concerns system calls has its own.
	.if TI_syscall_work == TI_flags
	.set	WORK_SHIFT, 0
	.else
	.set	WORK_SHIFT, 32
	.endif
	.set	_WORK_SYSCALL_EXIT, _SYSCALL_WORK_EXIT << WORK_SHIFT
	.set	_WORK_SYSCALL_AUDIT, _SYSCALL_WORK_SYSCALL_AUDIT << WORK_SHIFT
	.set	_TIF_WORK_MASK, _TIF_DO_NOTIFY_MASK | _TIF_NEED_RESCHED
	.set	_ALLWORK_MASK, _TIF_WORK_MASK | _WORK_SYSCALL_EXIT

	.macro SET_WORK_MASK mask:vararg
	.if WORK_SHIFT
	movabsq	$(\mask), %rbp
	.else
	movl	$(\mask), %ebp
	.endif
	.endm

# rbx = task_struct, rbp = mask. rdx = the work that is to be done, and ZF.
	.macro GET_WORK
	movl	TI_flags(%rbx), %edx
	.if WORK_SHIFT
	movl	TI_syscall_work(%rbx), %ecx
	shlq	$WORK_SHIFT, %rcx
	orq	%rcx, %rdx
	andq	%rbp, %rdx
	.else
	andl	%ebp, %edx
	.endif
	.endm

	.macro TEST_WORK mask
	.if WORK_SHIFT
	movabsq	$\mask, %rcx
	testq	%rcx, %rdx
	.else
	testl	$\mask, %edx
	.endif
	.endm

# The last thing before user mode, for an exit loop in assembly, where context tracking has one hook at each end. rdi is lost.
	.macro LAST_USER_ENTER
	.if CONTEXT_TRACKING_ONCE & (_TIF_NOHZ != 0)
	call	context_tracking_user_enter
	.endif
	.endm

# eax = number: is there such a call? An x32 call's mark is no part of it.
	.macro JUMP_IF_NO_SYSCALL target
	movl	%eax, %ecx
	btrl	$X32_SYSCALL_BIT, %ecx
	cmpl	$NR_SYSCALL_MAX, %ecx
	ja	\target
	.endm

# eax = number. Stands for a call through sys_call_table: the function, and its result in pt_regs->ax.
	.macro CALL_SYSCALL_64
	movq	%rsp, %rdi
	movslq	%eax, %rsi
	call	do_syscall_x64				# (pt_regs, nr)
	.endm

# Out without a test: nobody can have changed what SYSRET would not restore.
	.macro FAST_PATH_SYSRET
	movq	RIP(%rsp), %rcx
	movq	EFLAGS(%rsp), %r11
	movq	%rcx, RCX(%rsp)
	movq	%r11, R11(%rsp)
	jmp	syscall_return_via_sysret
	.endm

# A bit for each system call, in eight words of 64.
	.macro BIT_TABLE name bits
	.pushsection .rodata, "a"
	.balign	8
\name:
	.quad	\bits\()_0, \bits\()_1, \bits\()_2, \bits\()_3
	.quad	\bits\()_4, \bits\()_5, \bits\()_6, \bits\()_7
\name\()_end:
	.popsection
	.endm

	.macro JUMP_IF_LISTED table target
	cmpl	$(8 * (\table\()_end - \table)), %eax
	jae	1f
	btl	%eax, \table(%rip)
	jc	\target
1:
	.endm
