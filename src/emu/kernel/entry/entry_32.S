# Ring-0 entry and exit code of the 32-bit kernel, after the structure of Linux 6.1 (KPTI and speculation mitigations off).
#
# TSS.sp0 is the end of the CPU's entry stack, a constant; the top of the current task's stack is in TSS.sp1. Every entry from user
# mode ends up with a struct pt_regs on the task's stack, followed by es ds fs gs if it came from v8086 mode; then it calls a C
# function (an up-call) with the address of pt_regs in eax. Nothing swaps GS here: the user's stays loaded.

	.include "calling_32.S"

	.section __ex_table, "a"
	.globl	__start___ex_table
__start___ex_table:

	.code32
	.section .entry.text, "ax"

# ------------------------------------------------------------------------------------------------------------------------------
# entry_SYSENTER_32: the target of SYSENTER (MSR_IA32_SYSENTER_EIP), used by the vDSO's __kernel_vsyscall.
#   The CPU:  CS/SS flat kernel segments, esp = end of the entry stack, IF and VM cleared. It saves nothing: not eip, not esp, not
#             the flags; TF, NT and AC stay as user mode had them.
#   Regs:     eax = number; ebx ecx edx esi edi = arguments; ebp = the user's esp, where the sixth argument lies.
#   From:     user mode. In v8086 mode SYSENTER_CS is 0, so that it faults instead.
# With TF set every instruction up to the popf below traps, and the #DB handler ignores what it gets in this range.
# ------------------------------------------------------------------------------------------------------------------------------
LABEL __begin_SYSENTER_singlestep_region
ENTRY entry_SYSENTER_32
	movl	TSS_entry2task_stack(%esp), %esp
LABEL sysenter_past_esp
	pushl	$__USER_DS			# ss
	pushl	$0				# sp: do_SYSENTER_32 knows it
	pushfl					# flags, without IF
	pushl	$__USER_CS			# cs
	pushl	$0				# ip: the vDSO's landing pad, likewise
	pushl	%eax				# orig_ax
	SAVE_ALL pt_ax=$-ENOSYS
	testl	$(X86_EFLAGS_NT | X86_EFLAGS_AC | X86_EFLAGS_TF), PT_EFLAGS(%esp)
	jnz	sysenter_fix_flags
LABEL sysenter_flags_fixed
	movl	%esp, %eax
	call	do_SYSENTER_32			# (pt_regs); 1 = the state is one that SYSEXIT can return to
LABEL sysexit_check
	testl	%eax, %eax
	jz	syscall_32_done

# SYSEXIT takes eip from edx, esp from ecx, and makes the flat user segments; flags come off the stack, which for the last steps is
# the entry stack. ds and es are the user's flat segment already. IF comes last: STI's shadow covers SYSEXIT.
LABEL sysexit_restore
	movl	%fs:(PER_CPU_cpu_tss_rw + TSS_sp0), %eax
	subl	$8, %eax
	movl	PT_EFLAGS(%esp), %edi
	movl	PT_EAX(%esp), %esi
	movl	%edi, (%eax)
	movl	%esi, 4(%eax)
	movl	PT_EIP(%esp), %edx
	movl	PT_OLDESP(%esp), %ecx
sysexit_load_fs:
	mov	PT_FS(%esp), %fs
	popl	%ebx
	addl	$8, %esp			# cx and dx: the vDSO pops its own
	popl	%esi
	popl	%edi
	popl	%ebp
	movl	%eax, %esp
	btrl	$X86_EFLAGS_IF_BIT, (%esp)
	popfl
	popl	%eax
	sti
LABEL sysexit_to_user
	sysexit

sysexit_null_fs:
	movl	$0, PT_FS(%esp)
	jmp	sysexit_load_fs
	EXTABLE	sysexit_load_fs, sysexit_null_fs, EX_TYPE_DEFAULT

LABEL sysenter_fix_flags
	pushl	$X86_EFLAGS_FIXED
	popfl
	jmp	sysenter_flags_fixed
LABEL __end_SYSENTER_singlestep_region

# ------------------------------------------------------------------------------------------------------------------------------
# entry_INT80_32: INT $0x80, an interrupt gate that user mode may use.
#   The CPU:  switches to TSS.sp0, pushes ss, esp, eflags, cs, eip; IF off.
#   Regs:     eax = number; ebx ecx edx esi edi ebp = arguments.
#   From:     user mode, by INT $0x80 itself or by the vDSO on a CPU without SYSENTER; also restarted calls.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY entry_INT80_32
	ASM_CLAC
	pushl	%eax				# orig_ax
	SAVE_ALL pt_ax=$-ENOSYS, switch=1
	movl	%esp, %eax
	call	do_int80_syscall_32		# (pt_regs); returns with interrupts off
LABEL syscall_32_done

# The common return to user mode and to v8086 mode: esp = pt_regs on the task's stack, interrupts off.
LABEL restore_all_switch_stack
	SWITCH_TO_ENTRY_STACK
LABEL check_and_apply_espfix
	CHECK_AND_APPLY_ESPFIX espfix_applied
LABEL restore_all
	RESTORE_REGS skip=4
# Every IRET of the kernel. With VM in the frame's flags it also pops es ds fs gs.
LABEL irq_return
	iret

# It faulted: the user asked for a state that cannot be reached. The frame it failed on is a frame from user mode again.
LABEL asm_iret_error
	pushl	$0				# no error code
	pushl	$iret_error
	jmp	handle_exception
	EXTABLE	irq_return, asm_iret_error, EX_TYPE_DEFAULT

# ------------------------------------------------------------------------------------------------------------------------------
# ret_from_fork: where a task that has never run begins.
#   Regs:  eax = the task switched from; ebx = kernel thread's function or 0; edi = its argument; esp = the task's pt_regs.
# ------------------------------------------------------------------------------------------------------------------------------
	.section .text, "ax"
ENTRY ret_from_fork
	call	schedule_tail
	testl	%ebx, %ebx
	jnz	ret_from_fork_kthread
LABEL ret_from_fork_to_user
	movl	%esp, %eax
	call	syscall_exit_to_user_mode
	jmp	syscall_32_done
ret_from_fork_kthread:
	movl	%edi, %eax
	call	*%ebx
	movl	$0, PT_EAX(%esp)		# a kernel thread comes back only after an exec
	jmp	ret_from_fork_to_user

# __switch_to_asm: eax = task_struct to leave, edx = task_struct to run. Swaps the callee-saved registers and the stack.
ENTRY __switch_to_asm
	pushl	%ebp
	pushl	%ebx
	pushl	%edi
	pushl	%esi
	pushfl					# AC must not leak from one task's kernel code into another's
	movl	%esp, TASK_threadsp(%eax)
	movl	TASK_threadsp(%edx), %esp
	popfl
	popl	%esi
	popl	%edi
	popl	%ebx
	popl	%ebp
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
# Exceptions.
#   The CPU:  from user and v8086 mode switches to TSS.sp0 and pushes [gs fs ds es] ss esp, from kernel mode stays on the stack; then
#             eflags, cs, eip and for some an error code. Interrupt gates turn IF off.
# ------------------------------------------------------------------------------------------------------------------------------
	.macro idtentry asmsym cfunc has_error_code
ENTRY \asmsym
	ASM_CLAC
	cld
	.if \has_error_code == 0
	pushl	$0
	.endif
	pushl	$\cfunc				# in the gs slot
	jmp	handle_exception
	.endm

	.globl __irqentry_text_start
__irqentry_text_start:
	idtentry asm_exc_divide_error			exc_divide_error		0
	idtentry asm_exc_debug				exc_debug			0
	idtentry asm_exc_int3				exc_int3			0
	idtentry asm_exc_overflow			exc_overflow			0
	idtentry asm_exc_bounds				exc_bounds			0
	idtentry asm_exc_invalid_op			exc_invalid_op			0
	idtentry asm_exc_device_not_available		exc_device_not_available	0
	idtentry asm_exc_coproc_segment_overrun		exc_coproc_segment_overrun	0
	idtentry asm_exc_invalid_tss			exc_invalid_tss			1
	idtentry asm_exc_segment_not_present		exc_segment_not_present		1
	idtentry asm_exc_stack_segment			exc_stack_segment		1
	idtentry asm_exc_general_protection		exc_general_protection		1
	idtentry asm_exc_page_fault			exc_page_fault			1
	idtentry asm_exc_spurious_interrupt_bug		exc_spurious_interrupt_bug	0
	idtentry asm_exc_coprocessor_error		exc_coprocessor_error		0
	idtentry asm_exc_alignment_check		exc_alignment_check		1
	idtentry asm_exc_machine_check			exc_machine_check		0
	idtentry asm_exc_simd_coprocessor_error		exc_simd_coprocessor_error	0
	idtentry asm_sysvec_apic_timer_interrupt	sysvec_apic_timer_interrupt	0
	idtentry asm_sysvec_reschedule_ipi		sysvec_reschedule_ipi		0
	idtentry asm_sysvec_spurious_apic_interrupt	sysvec_spurious_apic_interrupt	0

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
	.globl	__irqentry_text_end
__irqentry_text_end:

# handle_exception: orig_ax and the handler's address are on the stack.
LABEL handle_exception
	SAVE_ALL gs_pushed=1, switch=1, espfix=1
	movl	PT_GS(%esp), %edi
	movl	PT_ORIG_EAX(%esp), %edx		# error code, or vector
	movl	$-1, PT_ORIG_EAX(%esp)		# no system call that could be restarted
	movl	%esp, %eax
	call	*%edi				# (pt_regs, error code)

LABEL handle_exception_return
	movl	PT_EFLAGS(%esp), %eax		# flags and cs in one word
	movb	PT_CS(%esp), %al
	andl	$(X86_EFLAGS_VM | 3), %eax
	cmpl	$3, %eax
	jnb	ret_to_user			# ring 3, or v8086 mode

LABEL ret_to_kernel
	PARANOID_EXIT_TO_KERNEL_MODE
	RESTORE_REGS skip=4
	jmp	irq_return

LABEL ret_to_user
	jmp	restore_all_switch_stack

# ------------------------------------------------------------------------------------------------------------------------------
# asm_exc_double_fault: behind a task gate, because nothing is known about the stack that the fault struck on.
#   The CPU:  has switched to the CPU's double-fault TSS: all registers from there, CR0.TS and EFLAGS.NT set, the error code pushed.
#             The registers of what was interrupted are in the TSS that the back link names. There is no way back.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY asm_exc_double_fault
	clts
	pushl	$X86_EFLAGS_FIXED
	popfl					# NT off
	call	doublefault_shim
double_fault_end:
	hlt
	jmp	double_fault_end

# ------------------------------------------------------------------------------------------------------------------------------
# asm_exc_nmi: can strike at the first instruction of entry_SYSENTER_32, at the start of a #DB handler that struck there, and on the
# espfix segment. Runs on the stack that it finds, or on the task's stack if that is the entry stack.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY asm_exc_nmi
	ASM_CLAC
	.if	CONFIG_X86_ESPFIX32
	pushl	%eax
	movl	%ss, %eax
	cmpw	$__ESPFIX_SS, %ax
	popl	%eax
	je	nmi_espfix_stack
	.endif
	pushl	%eax				# orig_ax
	SAVE_ALL
	xorl	%edx, %edx			# no error code
	movl	%esp, %eax
	movl	%fs:PER_CPU_cpu_entry_area, %ecx
	addl	$(CPU_ENTRY_AREA_entry_stack + SIZEOF_entry_stack), %ecx
	subl	%eax, %ecx
	cmpl	$SIZEOF_entry_stack, %ecx
	jb	nmi_from_entry_stack
	call	exc_nmi				# (pt_regs)
	jmp	nmi_return

LABEL nmi_from_entry_stack
	movl	%esp, %ebx
	movl	%fs:PER_CPU_cpu_current_top_of_stack, %esp
	call	exc_nmi
	movl	%ebx, %esp

LABEL nmi_return
	.if	CONFIG_X86_ESPFIX32
	testl	$CS_FROM_ESPFIX, PT_CS(%esp)
	jnz	nmi_from_espfix
	.endif
	CHECK_AND_APPLY_ESPFIX nmi_espfix_applied
	RESTORE_REGS skip=4
	jmp	irq_return

	.if	CONFIG_X86_ESPFIX32
# Between LSS and IRET of a return to user mode. A far pointer to the present stack goes below the processor's frame, then a copy of
# that frame, so that SAVE_ALL can leave the espfix segment and the way back is known.
LABEL nmi_espfix_stack
	pushl	%ss
	pushl	%esp
	addl	$4, (%esp)			# where the processor's frame begins
	pushl	16(%esp)			# flags
	pushl	16(%esp)			# cs
	pushl	16(%esp)			# ip
	pushl	%eax				# orig_ax
	SAVE_ALL espfix=1
	xorl	$(CS_FROM_ESPFIX | CS_FROM_KERNEL), PT_CS(%esp)
	xorl	%edx, %edx
	movl	%esp, %eax
	jmp	nmi_from_entry_stack

# CS_FROM_KERNEL was taken away, so IRET_FRAME leaves esp at the whole frame (5 words); above it lies the gap of the copied short
# frame (6 words), then the far pointer.
LABEL nmi_from_espfix
	RESTORE_REGS skip=4
	lss	((5 + 6) * 4)(%esp), %esp
	jmp	irq_return
	.endif

	.section .data, "aw"
	.balign	4
	.globl	__per_cpu_offset
__per_cpu_offset:
	.fill	NR_CPUS, 4, 0

