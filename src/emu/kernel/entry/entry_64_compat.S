# System calls of 32-bit code on the 64-bit kernel: SYSENTER (Intel) and SYSCALL (AMD) as the vDSO uses them, and the forms of INT $0x80
# that are no exception (6.1's is in entry_64.S). Both calls are made from __kernel_vsyscall only in that sense that the return is to its
# landing pad, whoever called.

	.macro CLEAR_RREGS
	movq	$0, R8(%rsp)
	movq	$0, R9(%rsp)
	movq	$0, R10(%rsp)
	movq	$0, R11(%rsp)
	.endm

# From the processor's frame on the entry stack to pt_regs on the task's stack.
	.macro INT80_FRAME
	ASM_CLAC
	cld
	swapgs
	movl	%eax, %eax				# a 32-bit number
	pushq	%rax
	pushq	%rdi
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rdi at=int80
	movq	%rsp, %rdi
	movq	%gs:PER_CPU_cpu_current_top_of_stack, %rsp
	pushq	(6*8)(%rdi)				# ss
	pushq	(5*8)(%rdi)				# sp
	pushq	(4*8)(%rdi)				# flags
	pushq	(3*8)(%rdi)				# cs
	pushq	(2*8)(%rdi)				# ip
	pushq	(1*8)(%rdi)				# orig_ax
	movq	(%rdi), %rdi
	PUSH_AND_CLEAR_REGS rax=$-ENOSYS
	CLEAR_RREGS
	.endm

	.if COMPAT_ASM
	.include "ia32entry.S"
	.else

# ------------------------------------------------------------------------------------------------------------------------------
# entry_SYSENTER_compat: the target of SYSENTER (MSR_IA32_SYSENTER_EIP).
#   The CPU:  CS/SS = kernel's flat segments, rsp = MSR_IA32_SYSENTER_ESP (the entry stack), IF = RF = VM = 0. It saves nothing: rip, rsp
#             and IF are lost, TF, NT and AC stay as the user had them.
#   Regs:     eax = number; ebx ecx edx esi edi = arguments; ebp = user's esp, where argument 6 lies.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY entry_SYSENTER_compat
	swapgs
	SWITCH_TO_KERNEL_CR3_STACK scratch_reg=%rax at=entry_SYSENTER_compat
	movq	%gs:PER_CPU_cpu_current_top_of_stack, %rsp
	pushq	$__USER32_DS			# ss
	pushq	$0				# sp: do_SYSENTER_32 takes it from ebp
	pushfq					# flags: IF is put back by do_SYSENTER_32
	pushq	$__USER32_CS			# cs
	pushq	$0				# ip: do_fast_syscall_32 sets the landing pad
LABEL entry_SYSENTER_compat_after_hwframe
	movl	%eax, %eax			# a 32-bit number
	pushq	%rax				# orig_ax
	PUSH_AND_CLEAR_REGS rax=$-ENOSYS
	cld
# With TF set every instruction up to here has trapped; exc_debug ignores those traps.
	testl	$(X86_EFLAGS_NT | X86_EFLAGS_AC | X86_EFLAGS_TF), EFLAGS(%rsp)
	jnz	sysenter_fix_flags
LABEL sysenter_flags_fixed
	movq	%rsp, %rdi
	call	do_SYSENTER_32			# eax = 1: SYSRETL will do
	testl	%eax, %eax
	jz	swapgs_restore_regs_and_return_to_usermode
	jmp	sysret32_from_system_call

LABEL sysenter_fix_flags
	pushq	$X86_EFLAGS_FIXED
	popfq
	jmp	sysenter_flags_fixed
LABEL __end_entry_SYSENTER_compat

	.if COMPAT_IRQS_ON
# ------------------------------------------------------------------------------------------------------------------------------
# entry_INT80_compat: INT $0x80, from 32-bit or 64-bit code.
#   The CPU:  switches to TSS.sp0 (the entry stack), pushes ss, rsp, rflags, cs, rip; the gate turns IF off.
#   Regs:     eax = number; ebx ecx edx esi edi ebp = arguments.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY entry_INT80_compat
	INT80_FRAME
	movq	%rsp, %rdi
	call	do_int80_syscall_32			# (pt_regs); returns with interrupts off
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif

# ------------------------------------------------------------------------------------------------------------------------------
# entry_SYSCALL_compat: the target of SYSCALL in compatibility mode (MSR_CSTAR); AMD only.
#   The CPU:  ecx = return address, r11 = rflags, rflags &= ~MSR_SYSCALL_MASK, CS/SS = kernel's flat segments. rsp is the user's.
#   Regs:     eax = number; ebx ebp edx esi edi = arguments 1 to 5 (argument 2 in ebp, for ecx is taken); argument 6 at (esp).
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY entry_SYSCALL_compat
	swapgs
	movl	%esp, %r8d
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rsp at=entry_SYSCALL_compat
	movq	%gs:PER_CPU_cpu_current_top_of_stack, %rsp
LABEL entry_SYSCALL_compat_safe_stack
	pushq	$__USER32_DS			# ss
	pushq	%r8				# sp
	pushq	%r11				# flags
	pushq	$__USER32_CS			# cs
	pushq	%rcx				# ip
LABEL entry_SYSCALL_compat_after_hwframe
	movl	%eax, %eax
	pushq	%rax				# orig_ax
	PUSH_AND_CLEAR_REGS rcx=%rbp rax=$-ENOSYS
	movq	%rsp, %rdi
	call	do_fast_syscall_32
	testl	%eax, %eax
	jz	swapgs_restore_regs_and_return_to_usermode
	.endif

# rsp = pt_regs, SYSRETL loses nothing: C found that, or nobody looked; the landing pad restores ecx itself.
LABEL sysret32_from_system_call
	movq	RBX(%rsp), %rbx
	movq	RBP(%rsp), %rbp
	movq	EFLAGS(%rsp), %r11
	movq	RIP(%rsp), %rcx
	addq	$RAX, %rsp
	popq	%rax
	popq	%rdx				# cx, lost
	popq	%rdx
	popq	%rsi
	popq	%rdi
	movq	(RSP - ORIG_RAX)(%rsp), %rsp
LABEL entry_SYSRETL_compat_unsafe_stack
	SWITCH_TO_USER_CR3 scratch_reg=%r8 at=sysretl
	xorl	%r8d, %r8d			# 32-bit code cannot see these, but code that switches mode can
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	swapgs
	sysretl
LABEL entry_SYSRETL_compat_end
	int3

	.if AUDIT_FAST_PATH_32 & (COMPAT_ASM == 0)
	.include "audit_compat.S"
	.endif
