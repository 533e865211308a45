# Building and taking down the 32-bit kernel's struct pt_regs:
#	bx cx dx si di bp ax ds es fs gs orig_ax ip cs flags sp ss
# The gs slot is not used for gs (the kernel leaves the user's GS alone); exception stubs keep their handler's address in it.
# The upper half of the cs slot is the kernel's, to note how it was entered.

	.include "calling.S"

	.set	CS_FROM_ENTRY_STACK, 1 << 31	# interrupted kernel code that was on the entry stack
	.set	CS_FROM_KERNEL, 1 << 29		# the processor pushed three words, not five
	.set	CS_FROM_ESPFIX, 1 << 28		# an NMI that struck on the espfix segment
	.set	GDT_ESPFIX_OFFSET, GDT_ENTRY_ESPFIX_SS * 8

# Saves everything. Entered with the processor's frame and orig_ax on the stack (and, if gs_pushed, the gs slot).
#   pt_ax:   what goes into the ax slot.         espfix: the stack may be the espfix segment; leave it.
#   switch:  1 = go on on the task's stack if this is the entry stack.
# Leaves ds = es = __USER_DS, fs = __KERNEL_PERCPU, DF clear.
	.macro SAVE_ALL pt_ax=%eax switch=0 gs_pushed=0 espfix=0
	cld
	.if \gs_pushed == 0
	pushl	$0
	.endif
	pushl	%fs
	pushl	%eax
	movl	$__KERNEL_PERCPU, %eax
	movl	%eax, %fs
	.if \espfix
	LEAVE_ESPFIX_STACK
	.endif
	popl	%eax
	FIXUP_FRAME
	pushl	%es
	pushl	%ds
	pushl	\pt_ax
	pushl	%ebp
	pushl	%edi
	pushl	%esi
	pushl	%edx
	pushl	%ecx
	pushl	%ebx
	movl	$__USER_DS, %edx
	movl	%edx, %ds
	movl	%edx, %es
	.if \switch
	SWITCH_TO_KERNEL_STACK
	.endif
	.endm

# Stack: fs gs orig_ax ip cs flags [sp ss]. From kernel mode the processor pushes no ss and sp: put a whole frame below the short
# one, so that pt_regs is complete and its sp says where the interrupted code's stack really was. The short frame's six words
# stay behind as a gap, and IRET_FRAME uses the end of it.
	.macro FIXUP_FRAME
	andl	$0xffff, 16(%esp)
	testl	$X86_EFLAGS_VM, 20(%esp)
	jnz	frame_complete_\@
	testl	$3, 16(%esp)
	jnz	frame_complete_\@
	orl	$CS_FROM_KERNEL, 16(%esp)
	pushl	%ss
	pushl	%esp
	addl	$28, (%esp)			# sp: past ss and the six words
	.rept	6				# flags cs ip orig_ax gs fs, each 28 bytes above the place it goes to
	pushl	28(%esp)
	.endr
frame_complete_\@:
	.endm

# The opposite, just before IRET; stack: ip cs flags sp ss, with general registers that are already the interrupted code's, and
# segment registers too, so every access must go through SS. The three words go right below pt_regs->sp, which a handler may have
# changed, and esp never passes what is still needed.
	.macro IRET_FRAME
	testl	$CS_FROM_KERNEL, 4(%esp)
	jz	frame_ready_\@
	pushl	%eax
	pushl	%ecx
	movl	20(%esp), %eax			# sp
	movl	16(%esp), %ecx			# flags
	movl	%ecx, %ss:-4(%eax)
	movl	12(%esp), %ecx			# cs
	andl	$0xffff, %ecx
	movl	%ecx, %ss:-8(%eax)
	movl	8(%esp), %ecx			# ip
	movl	%ecx, %ss:-12(%eax)
	movl	4(%esp), %ecx			# eax, to be popped last
	movl	%ecx, %ss:-16(%eax)
	popl	%ecx
	leal	-16(%eax), %esp
	popl	%eax
frame_ready_\@:
	.endm

	.macro RESTORE_INT_REGS
	popl	%ebx
	popl	%ecx
	popl	%edx
	popl	%esi
	popl	%edi
	popl	%ebp
	popl	%eax
	.endm

# skip: bytes above the gs slot to drop (orig_ax). A segment register that cannot be loaded becomes null: see EX_TYPE_POP_ZERO.
	.macro RESTORE_REGS skip=0
	RESTORE_INT_REGS
pop_ds_\@:
	popl	%ds
pop_es_\@:
	popl	%es
pop_fs_\@:
	popl	%fs
popped_\@:
	addl	$(4 + \skip), %esp
	IRET_FRAME
	EXTABLE	pop_ds_\@, pop_es_\@, EX_TYPE_POP_ZERO_DS
	EXTABLE	pop_es_\@, pop_fs_\@, EX_TYPE_POP_ZERO_ES
	EXTABLE	pop_fs_\@, popped_\@, EX_TYPE_POP_ZERO_FS
	.endm

# esp = pt_regs, on the task's stack or on the entry stack; in the latter case moves to the task's stack, the top of which is in
# TSS.sp1. User registers are saved, kernel segments loaded; uses all general registers.
	.macro SWITCH_TO_KERNEL_STACK
	movl	%fs:PER_CPU_cpu_entry_area, %ecx
	addl	$(CPU_ENTRY_AREA_entry_stack + SIZEOF_entry_stack), %ecx
	subl	%esp, %ecx			# bytes up to the entry stack's end
	cmpl	$SIZEOF_entry_stack, %ecx
	jae	on_task_stack_\@

	movl	%esp, %esi
	movl	%esp, %edi
	andl	$-SIZEOF_entry_stack, %edi
	addl	$SIZEOF_entry_stack, %edi
	movl	TSS_entry2task_stack(%edi), %edi

	movl	PT_EFLAGS(%esp), %ecx		# flags and cs in one word
	movb	PT_CS(%esp), %cl
	andl	$(X86_EFLAGS_VM | 3), %ecx
	cmpl	$3, %ecx
	jb	entered_from_kernel_\@

	movl	$PTREGS_SIZE, %ecx
	testl	$X86_EFLAGS_VM, PT_EFLAGS(%esi)
	jz	copy_frame_\@
	addl	$16, %ecx			# from v8086 mode: es ds fs gs as well
copy_frame_\@:
	subl	%ecx, %edi
	movl	%edi, %esp
	shrl	$2, %ecx
	cld
	rep movsl
	jmp	on_task_stack_\@

# Kernel code was interrupted on the entry stack: while it popped segment registers on its way out, or by a single-step trap in
# the SYSENTER entry. All that the entry stack holds goes along, and a mark says to bring it back (PARANOID_EXIT_TO_KERNEL_MODE).
entered_from_kernel_\@:
	movl	%esp, %ecx
	andl	$-SIZEOF_entry_stack, %ecx
	addl	$SIZEOF_entry_stack, %ecx
	subl	%esi, %ecx
	orl	$CS_FROM_ENTRY_STACK, PT_CS(%esp)
	jmp	copy_frame_\@
on_task_stack_\@:
	.endm

# esp = pt_regs of a user context on the task's stack. Copies it to the entry stack and goes there; only then, because an NMI on
# the entry stack takes the task's stack for its own.
	.macro SWITCH_TO_ENTRY_STACK
	movl	$PTREGS_SIZE, %ecx
	testl	$X86_EFLAGS_VM, PT_EFLAGS(%esp)
	jz	copy_frame_\@
	addl	$16, %ecx
copy_frame_\@:
	movl	%fs:(PER_CPU_cpu_tss_rw + TSS_sp0), %edi
	subl	%ecx, %edi
	movl	%edi, %ebx
	movl	%esp, %esi
	shrl	$2, %ecx
	cld
	rep movsl
	movl	%ebx, %esp
	.endm

# esp = pt_regs of a kernel context. If it was on the entry stack when interrupted, everything goes back there.
	.macro PARANOID_EXIT_TO_KERNEL_MODE
	testl	$CS_FROM_ENTRY_STACK, PT_CS(%esp)
	jz	was_on_task_stack_\@
	andl	$(CS_FROM_ENTRY_STACK - 1), PT_CS(%esp)
	movl	%esp, %esi
	movl	%fs:(PER_CPU_cpu_tss_rw + TSS_sp1), %ecx
	subl	%esi, %ecx
	movl	%fs:(PER_CPU_cpu_tss_rw + TSS_sp0), %edi
	subl	%ecx, %edi
	movl	%edi, %ebx
	shrl	$2, %ecx
	cld
	rep movsl
	movl	%ebx, %esp
was_on_task_stack_\@:
	.endm

# IRET to a 16-bit stack segment loads sp only. If the user's ss is from the LDT, go on on the same stack by another name: a segment
# whose base is chosen so that esp has the user's upper half. esp = pt_regs on the entry stack; uses eax and edx. The place where it
# is decided gets a label.
	.macro CHECK_AND_APPLY_ESPFIX label
	.if	CONFIG_X86_ESPFIX32
	movl	PT_EFLAGS(%esp), %eax		# VM from flags, TI from ss, RPL from cs, all in one word
	movb	PT_OLDSS(%esp), %ah
	movb	PT_CS(%esp), %al
	andl	$(X86_EFLAGS_VM | (4 << 8) | 3), %eax
	cmpl	$((4 << 8) | 3), %eax
	jne	no_espfix_\@
LABEL \label
	movl	%esp, %edx
	movl	PT_OLDESP(%esp), %eax
	movw	%dx, %ax			# eax: esp as it is to be, the user's half above ours
	subl	%eax, %edx			# edx: the base that makes up for it; a multiple of 64 KiB
	shrl	$16, %edx
	movb	%dl, %fs:(PER_CPU_gdt_page + GDT_ESPFIX_OFFSET + 4)	# base 23:16
	movb	%dh, %fs:(PER_CPU_gdt_page + GDT_ESPFIX_OFFSET + 7)	# base 31:24
	pushl	$__ESPFIX_SS
	pushl	%eax
	cli					# an interrupt could not be served on that segment
	lss	(%esp), %esp
no_espfix_\@:
	.endif
	.endm

# On the espfix segment? Back to the flat one: the stack is the same, base added to esp. Uses eax; fs is __KERNEL_PERCPU, ds and es
# are anything.
	.macro LEAVE_ESPFIX_STACK
	.if	CONFIG_X86_ESPFIX32
	movl	%ss, %eax
	cmpw	$__ESPFIX_SS, %ax
	jne	flat_stack_\@
	pushl	%ecx
	subl	$8, %esp
	sgdt	(%esp)
	movl	2(%esp), %ecx			# a linear address: cs is the one segment known to have base 0
	movb	%cs:(GDT_ESPFIX_OFFSET + 4)(%ecx), %al
	movb	%cs:(GDT_ESPFIX_OFFSET + 7)(%ecx), %ah
	shll	$16, %eax
	addl	$8, %esp
	popl	%ecx
	addl	%esp, %eax
	pushl	$__KERNEL_DS
	pushl	%eax
	lss	(%esp), %esp
flat_stack_\@:
	.endif
	.endm
