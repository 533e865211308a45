# Ring-0 entry and exit code of the 64-bit kernel, after the structure of Linux 6.1 (speculation mitigations but KPTI left out).
#
# Every entry from user mode ends up with a struct pt_regs at the top of the current task's kernel stack, kernel GS base, and
# interrupts off; then it calls a C function (an up-call) with the address of pt_regs in rdi. Which exit is taken is decided here.

	.include "calling.S"
	.include "pti_64.S"
	.include "audit_macros.S"
	.include "syscall_macros.S"

	.section __ex_table, "a"
	.balign	4
	.globl	__start___ex_table
__start___ex_table:

	.code64
	.section .entry.text, "ax"
	ENTRY_TEXT __entry_text_start section=.entry.text

# ------------------------------------------------------------------------------------------------------------------------------
# entry_SYSCALL_64: the target of SYSCALL in 64-bit mode (MSR_LSTAR).
#   The CPU:  rcx = return address, r11 = rflags, rflags &= ~MSR_SYSCALL_MASK (so IF, DF, TF, AC, NT are off), CS/SS = kernel's flat
#             segments. It switches no stack and pushes nothing: rsp and GS base are still the user's.
#   Regs:     rax = system call number; rdi rsi rdx r10 r8 r9 = arguments.
#   From:     user mode only.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY entry_SYSCALL_64
	.if EXIT_LOOP_ASM
LABEL system_call
	.endif
	swapgs
	movq	%rsp, %gs:(PER_CPU_cpu_tss_rw + TSS_sp2)	# sp2 is free for use as scratch
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rsp at=entry_SYSCALL_64
	movq	%gs:PER_CPU_cpu_current_top_of_stack, %rsp
LABEL entry_SYSCALL_64_safe_stack
	pushq	$__USER_DS				# ss
	pushq	%gs:(PER_CPU_cpu_tss_rw + TSS_sp2)	# sp
	pushq	%r11					# flags
	pushq	$__USER_CS				# cs
	pushq	%rcx					# ip
LABEL entry_SYSCALL_64_after_hwframe
	pushq	%rax					# orig_ax
	PUSH_AND_CLEAR_REGS rax=$-ENOSYS

	.if EXIT_LOOP_ASM
	.include "system_call.S"
	.else
	.if FAST_PATH
	.include "fast_path_64.S"
	.endif
LABEL syscall_slow_path
	movq	%rsp, %rdi
	movslq	%eax, %rsi				# system call numbers are ints
	call	do_syscall_64				# (pt_regs, nr); returns with interrupts off
	.endif
LABEL syscall_slow_path_done
	.if EXIT_SHARED_CHECK | (SYSRET_OPPORTUNISTIC == 0)
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif

# SYSRET is faster than IRET but returns only to one kind of state: rip = rcx, rflags = r11, the two flat user segments. Each test
# below asks one thing that would be different after it, and has a label of its own.
LABEL sysret_check_rcx_rip
	movq	RCX(%rsp), %rcx
	movq	RIP(%rsp), %r11
	.if SYSRET_CHECK_RCX_RIP
	cmpq	%rcx, %r11
	jne	sysret_not_possible
	.else
	movq	%r11, %rcx				# the next test is about rip, and would see another rcx too
	.endif

	.if SYSRET_CHECK_CANONICAL
# On Intel SYSRET to a non-canonical address faults in ring 0, with the user's rsp: sign-extend from bit 47 and see if it changes.
LABEL sysret_check_canonical
	shlq	$16, %rcx
	sarq	$16, %rcx
	cmpq	%rcx, %r11
	jne	sysret_not_possible
	.endif

	.if SYSRET_CHECK_CS
LABEL sysret_check_cs
	cmpq	$__USER_CS, CS(%rsp)
	jne	sysret_not_possible
	.endif

	.if SYSRET_CHECK_R11_FLAGS
LABEL sysret_check_r11_flags
	movq	R11(%rsp), %r11
	cmpq	%r11, EFLAGS(%rsp)
	jne	sysret_not_possible
	.endif

	.if SYSRET_CHECK_RF_TF
# SYSRET cannot set RF, and a TF that it sets traps before the first user instruction instead of after it.
LABEL sysret_check_rf_tf
	testq	$(X86_EFLAGS_RF | X86_EFLAGS_TF), EFLAGS(%rsp)
	jnz	sysret_not_possible
	.endif

	.if SYSRET_CHECK_SS
LABEL sysret_check_ss
	cmpq	$__USER_DS, SS(%rsp)
	jne	sysret_not_possible
	.endif

LABEL syscall_return_via_sysret
	POP_REGS pop_rdi=0
# All registers are the user's but rdi and rsp. The last steps run on the entry stack, which holds nothing else.
	movq	%rsp, %rdi
	movq	%gs:(PER_CPU_cpu_tss_rw + TSS_sp0), %rsp
	pushq	(RSP - RDI)(%rdi)
	pushq	(%rdi)
	SWITCH_TO_USER_CR3 scratch_reg=%rdi at=sysret
	popq	%rdi
	popq	%rsp
LABEL entry_SYSRETQ_unsafe_stack
	swapgs
	sysretq
LABEL entry_SYSRETQ_end
	int3

# ------------------------------------------------------------------------------------------------------------------------------
# ret_from_fork: where a task that has never run begins.
#   Regs:  rax = the task switched from; rbx = kernel thread's function or 0; r12 = its argument; rsp = the task's pt_regs.
#   From:  __switch_to_asm's return, and the boot CPU for the first program.
# ------------------------------------------------------------------------------------------------------------------------------
	.section .text, "ax"
ENTRY ret_from_fork
	movq	%rax, %rdi
	call	schedule_tail
	testq	%rbx, %rbx
	jnz	ret_from_fork_kthread
LABEL ret_from_fork_to_user
	.if EXIT_LOOP_ASM
	.if SYSRET_CAREFUL & FAST_PATH & (_TIF_IA32 != 0)
# A 64-bit child leaves as its parent does. The first program has not been forked.
	cmpq	$-1, ORIG_RAX(%rsp)
	je	int_ret_from_sys_call
	movq	%gs:PER_CPU_current_task, %rbx
	testl	$_TIF_IA32, TI_flags(%rbx)
	jz	ret_from_sys_call
	.endif
	jmp	int_ret_from_sys_call
	.else
	movq	%rsp, %rdi
	call	syscall_exit_to_user_mode
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif
ret_from_fork_kthread:
	movq	%r12, %rdi
	call	*%rbx
	movq	$0, RAX(%rsp)			# a kernel thread comes back only after an exec
	jmp	ret_from_fork_to_user

# __switch_to_asm: rdi = task_struct to leave, rsi = task_struct to run. Swaps the callee-saved registers and the stack.
ENTRY __switch_to_asm
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, TASK_threadsp(%rdi)
	movq	TASK_threadsp(%rsi), %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	jmp	__switch_to

# do_idle: what a CPU without a task does. STI's shadow makes sure that no interrupt is lost between the two instructions.
ENTRY do_idle
	sti
	hlt
	cli
	call	schedule_idle
	jmp	do_idle

	.section .entry.text, "ax"

# ------------------------------------------------------------------------------------------------------------------------------
# Exceptions without a stack of their own.
#   The CPU:  from user mode switches to TSS.sp0 (the entry stack), from kernel mode stays on the stack (aligned to 16); pushes ss,
#             rsp, rflags, cs, rip and for some an error code; interrupt gates turn IF off.
#   GS base:  the user's if from user mode; the kernel's otherwise, but for a fault of the IRET that returns to user mode.
# ------------------------------------------------------------------------------------------------------------------------------
	.macro idtentry_body cfunc has_error_code
	call	error_entry
	movq	%rax, %rsp			# on the task's stack from now on, if from user mode
	movq	%rsp, %rdi
	.if \has_error_code == 1
	movq	ORIG_RAX(%rsp), %rsi
	movq	$-1, ORIG_RAX(%rsp)		# no system call that could be restarted
	.endif
	call	\cfunc
	jmp	error_return
	.endm

# The espfix prototype: a fault of the IRET on the ministack has pushed its frame there. All that is left is room for rdi and a
# return address; espfix_fix_stack takes the frame away, below the entry stack's top.
	.macro ESPFIX_ADJUST_STACK
	.if ESPFIX64_PROTOTYPE
	pushq	%rdi
	movq	%rsp, %rdi
	sarq	$PGDIR_SHIFT, %rdi
	cmpl	$ESPFIX_PGD_ENTRY, %edi
	jne	1f
	call	espfix_fix_stack
1:	popq	%rdi
	.endif
	.endm

	.macro idtentry asmsym cfunc has_error_code
ENTRY \asmsym
	ASM_CLAC
	cld
	.if \has_error_code == 0
	pushq	$-1
	.endif
	ESPFIX_ADJUST_STACK
	idtentry_body \cfunc \has_error_code
	.endm

# #DB and #MC have IST stacks: they can strike anywhere in the kernel, in the few instructions with a user GS base or rsp too.
# From user mode they are ordinary, and leave the IST stack at once.
	.macro idtentry_mce_db asmsym cfunc
ENTRY \asmsym
	ASM_CLAC
	cld
	pushq	$-1
	testb	$3, (CS - ORIG_RAX)(%rsp)
	jnz	\asmsym\()_from_user
	call	paranoid_entry
	movq	%rsp, %rdi
	call	\cfunc
	jmp	paranoid_exit
LABEL \asmsym\()_from_user
	idtentry_body noist_\cfunc 0
	.endm

# #DF asks nothing about where it came from: a fault of the espfix stack's IRET must look like what it is.
	.macro idtentry_df asmsym cfunc
ENTRY \asmsym
	ASM_CLAC
	cld
	call	paranoid_entry
	movq	%rsp, %rdi
	movq	ORIG_RAX(%rsp), %rsi
	movq	$-1, ORIG_RAX(%rsp)
	call	\cfunc
	jmp	paranoid_exit
	.endm

	.globl __irqentry_text_start
__irqentry_text_start:
	idtentry asm_exc_divide_error			exc_divide_error		0
	idtentry asm_exc_overflow			exc_overflow			0
	idtentry asm_exc_bounds				exc_bounds			0
	idtentry asm_exc_device_not_available		exc_device_not_available	0
	idtentry asm_exc_coproc_segment_overrun		exc_coproc_segment_overrun	0
	idtentry asm_exc_spurious_interrupt_bug		exc_spurious_interrupt_bug	0
	idtentry asm_exc_coprocessor_error		exc_coprocessor_error		0
	idtentry asm_exc_simd_coprocessor_error		exc_simd_coprocessor_error	0
	idtentry asm_exc_invalid_tss			exc_invalid_tss			1
	idtentry asm_exc_segment_not_present		exc_segment_not_present		1
	idtentry asm_exc_stack_segment			exc_stack_segment		1
	idtentry asm_exc_general_protection		exc_general_protection		1
	idtentry asm_exc_alignment_check		exc_alignment_check		1
	idtentry asm_exc_invalid_op			exc_invalid_op			0
	idtentry asm_exc_page_fault			exc_page_fault			1

# Linux leaves six words free under an int3 frame from kernel mode, room for its handler to emulate a CALL.
ENTRY asm_exc_int3
	ASM_CLAC
	cld
	pushq	$-1
	testb	$3, (CS - ORIG_RAX)(%rsp)
	jnz	asm_exc_int3_no_gap
	.rept	6
	pushq	(5*8)(%rsp)
	.endr
LABEL asm_exc_int3_no_gap
	idtentry_body exc_int3 0

	.if (COMPAT_ASM | COMPAT_IRQS_ON) == 0
# INT $0x80, from 32-bit or 64-bit code. It looks like an exception without error code; do_int80_emulation makes a system call of it.
ENTRY asm_int80_emulation
	ASM_CLAC
	cld
	pushq	$-1
	idtentry_body int80_emulation 0
	.endif

	idtentry_mce_db asm_exc_debug			exc_debug
	idtentry_mce_db asm_exc_machine_check		exc_machine_check
	idtentry_df	asm_exc_double_fault		exc_double_fault

# Device interrupts: one stub of 16 bytes a vector pushes its number where exceptions have their error code.
	.align	16
	.globl	irq_entries_start
irq_entries_start:
	.set	vector, FIRST_EXTERNAL_VECTOR
	.rept	LOCAL_TIMER_VECTOR - FIRST_EXTERNAL_VECTOR
	.byte	0x68				# push imm32, so that every stub has the same length
	.long	vector
	jmp	asm_common_interrupt
	.align	16
	.set	vector, vector + 1
	.endr
	idtentry asm_common_interrupt			common_interrupt		1
	idtentry asm_sysvec_apic_timer_interrupt	sysvec_apic_timer_interrupt	0
	idtentry asm_sysvec_reschedule_ipi		sysvec_reschedule_ipi		0
	idtentry asm_sysvec_spurious_apic_interrupt	sysvec_spurious_apic_interrupt	0
	.globl	__irqentry_text_end
__irqentry_text_end:

# int80_emulation: the C entry, reached from asm_int80_emulation. rdi = pt_regs.
ENTRY int80_emulation
	jmp	do_int80_emulation

# ------------------------------------------------------------------------------------------------------------------------------
# The common return.
# swapgs_restore_regs_and_return_to_usermode: rsp = pt_regs of a user context on the task's stack; interrupts off, kernel GS base.
# ------------------------------------------------------------------------------------------------------------------------------
LABEL swapgs_restore_regs_and_return_to_usermode
	.if EXIT_SHARED_CHECK & SYSRET_OPPORTUNISTIC
	.if _TIF_IRET
# Only a system call that did something strange has asked for the test; the flag does not outlive this exit.
	movq	%gs:PER_CPU_current_task, %rcx
LABEL exit_check_tif_iret
	btrl	$TIF_IRET, TI_flags(%rcx)
	jnc	sysret_not_possible
	.endif
	jmp	sysret_check_rcx_rip
	.endif
sysret_not_possible:
	POP_REGS pop_rdi=0
	movq	%rsp, %rdi
	movq	%gs:(PER_CPU_cpu_tss_rw + TSS_sp0), %rsp
	pushq	(6*8)(%rdi)			# ss
	pushq	(5*8)(%rdi)			# sp
	pushq	(4*8)(%rdi)			# flags
	pushq	(3*8)(%rdi)			# cs
	pushq	(2*8)(%rdi)			# ip
	pushq	(%rdi)
	SWITCH_TO_USER_CR3 scratch_reg=%rdi at=iret
	popq	%rdi
	swapgs
	jmp	native_iret

# restore_regs_and_return_to_kernel: rsp = pt_regs of a kernel context, on whatever stack.
LABEL restore_regs_and_return_to_kernel
	POP_REGS
	addq	$8, %rsp

# rsp = IRET frame; every other register as it is to be; GS base that of the context returned to.
# A stack segment from the LDT (bit 2 of its selector) may be a 16-bit one, and IRET to such loads only sp.
LABEL native_iret
	.if CONFIG_X86_ESPFIX64
	testb	$4, (SS - RIP)(%rsp)
	jnz	native_irq_return_ldt
	.endif

# The IRET that may fault because of what the user asked for. error_entry and exc_double_fault know its address.
LABEL native_irq_return_iret
	iretq

	.if ESPFIX64_PROTOTYPE
	.include "espfix_prototype.S"
	.elseif CONFIG_X86_ESPFIX64
# User GS base, user registers, IRET frame at rsp on the entry stack. Copies the frame to this CPU's ministack of eight words
# (espfix_waddr: its writable address), and returns from the read-only alias of it whose bits 31:16 are those of the user's rsp,
# so that a return which only loads sp leaves the user's own bits in esp.
LABEL native_irq_return_ldt
	pushq	%rdi
	swapgs
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rdi at=espfix
	movq	%gs:PER_CPU_espfix_waddr, %rdi
	movq	%rax, (0*8)(%rdi)		# rax waits at the bottom
	movq	(1*8)(%rsp), %rax		# ip
	movq	%rax, (1*8)(%rdi)
	movq	(2*8)(%rsp), %rax		# cs
	movq	%rax, (2*8)(%rdi)
	movq	(3*8)(%rsp), %rax		# flags
	movq	%rax, (3*8)(%rdi)
	movq	(5*8)(%rsp), %rax		# ss
	movq	%rax, (5*8)(%rdi)
	movq	(4*8)(%rsp), %rax		# sp
	movq	%rax, (4*8)(%rdi)
	andl	$0xffff0000, %eax
	orq	%gs:PER_CPU_espfix_stack, %rax	# bits 31:16 are 0 in espfix_stack
LABEL espfix_alias_chosen
	SWITCH_TO_USER_CR3 scratch_reg=%rdi at=espfix
	swapgs
	popq	%rdi
	movq	%rax, %rsp
LABEL espfix_on_ministack
	popq	%rax				# the stack cannot be written from here on
	jmp	native_irq_return_iret
	.endif

# ------------------------------------------------------------------------------------------------------------------------------
# paranoid_entry: saves all registers and finds out which GS base is active without trusting CS.
#   In:   the frame with orig_ax, and the return address.     Out: rbx says to paranoid_exit what to do.
#   PTI: r14 = CR3 found.
#   FSGSBASE: rbx = GS base found, to be put back as it was. Without: ebx = 1 kernel GS base was active, 0 SWAPGS on the way out.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY paranoid_entry
	PUSH_AND_CLEAR_REGS save_ret=1
	SAVE_AND_SWITCH_TO_KERNEL_CR3 scratch_reg=%rax save_reg=%r14 at=paranoid
	.if X86_FEATURE_FSGSBASE
	rdgsbase %rbx
	GET_PERCPU_BASE %rax
	wrgsbase %rax
	ret
	.else
	movl	$1, %ebx
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	testl	%edx, %edx			# kernel addresses are negative, and without FSGSBASE user mode cannot set such a base
	js	paranoid_kernel_gsbase
	xorl	%ebx, %ebx
	swapgs
LABEL paranoid_kernel_gsbase
	ret
	.endif

# paranoid_exit: back to where an IST exception struck the kernel. rsp = pt_regs, rbx from paranoid_entry.
LABEL paranoid_exit
	RESTORE_CR3 save_reg=%r14 at=paranoid
	.if X86_FEATURE_FSGSBASE
	wrgsbase %rbx
	jmp	restore_regs_and_return_to_kernel
	.else
	testl	%ebx, %ebx
	jnz	restore_regs_and_return_to_kernel
	swapgs
	jmp	restore_regs_and_return_to_kernel
	.endif

# ------------------------------------------------------------------------------------------------------------------------------
# error_entry: saves all registers, gets the kernel's GS base, and moves a frame from user mode to the task's stack.
#   In:   the frame with orig_ax or error code, and the return address.     Out: rax = pt_regs to continue with.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY error_entry
	PUSH_AND_CLEAR_REGS save_ret=1
	testb	$3, (CS + 8)(%rsp)
	jz	error_kernelspace
	swapgs
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rax at=error_entry
	leaq	8(%rsp), %rdi
LABEL error_entry_from_usermode_after_swapgs
	call	sync_regs			# (pt_regs) copies to the top of the task's stack, and returns that address
	ret

# From kernel mode. One place in the kernel faults with the user's GS base: the IRET to user mode.
LABEL error_kernelspace
	leaq	native_irq_return_iret(%rip), %rcx
	cmpq	%rcx, (RIP + 8)(%rsp)
	je	error_bad_iret
	movl	%ecx, %eax			# some K8s report the low half only, when the return was to compatibility mode
	cmpq	%rax, (RIP + 8)(%rsp)
	je	error_bstep_iret
	leaq	8(%rsp), %rax
	ret

LABEL error_bstep_iret
	movq	%rcx, (RIP + 8)(%rsp)
# The user asked for a state that IRET cannot reach. Pretend that the fault struck in user mode, right after the return.
LABEL error_bad_iret
	swapgs
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rax at=error_bad_iret
	leaq	8(%rsp), %rdi
	call	fixup_bad_iret			# (pt_regs) builds the frame that such a fault would have had; returns its address
	movq	%rax, %rdi
	jmp	error_entry_from_usermode_after_swapgs

# error_return: rsp = pt_regs, after the handler.
LABEL error_return
	.if EXIT_LOOP_ASM
	.include "retint_64.S"
	.endif
	.if EXIT_CONDITIONAL_SWAPGS
# One way out, to wherever: nothing but SWAPGS depends on it.
	testb	$3, CS(%rsp)
	jz	error_return_no_swapgs
	RETURN_FROM_ENTRY_STACK
	swapgs
error_return_no_swapgs:
	jmp	restore_regs_and_return_to_kernel
	.else
	testb	$3, CS(%rsp)
	jz	restore_regs_and_return_to_kernel
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif

	.include "nmi_64.S"
	.include "entry_64_compat.S"
	ENTRY_TEXT __entry_text_end section=.entry.text.end

	.section .data, "aw"
	.balign	8
	.globl	__per_cpu_offset
__per_cpu_offset:
	.fill	NR_CPUS, 8, 0
