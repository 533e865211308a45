# Page table isolation: while user mode runs, almost nothing of the kernel is mapped. Every address space has two PGDs side by side in
# eight KiB; bit 12 of CR3 picks the user's, in which there are user space, the entry code, and the stacks, tables and one word of
# scratch that it needs until it has switched. Each load of CR3 has a label, for the timeline. There are no PCIDs: a load flushes.

	.if X86_FEATURE_PTI
	.set	PTI_USER_PGTABLE_BIT, 12
	.set	PTI_USER_PGTABLE_MASK, 1 << PTI_USER_PGTABLE_BIT
	.endif

# From user mode for certain. \at names the label.
	.macro SWITCH_TO_KERNEL_CR3 scratch_reg at
	.if X86_FEATURE_PTI
	movq	%cr3, \scratch_reg
	andq	$~PTI_USER_PGTABLE_MASK, \scratch_reg
LABEL \at\()_kernel_cr3
	movq	\scratch_reg, %cr3
	.endif
	.endm

# The same with no register to spare, but a stack that both PGDs have.
	.macro SWITCH_TO_KERNEL_CR3_STACK scratch_reg at
	.if X86_FEATURE_PTI
	pushq	\scratch_reg
	SWITCH_TO_KERNEL_CR3 scratch_reg=\scratch_reg at=\at
	popq	\scratch_reg
	.endif
	.endm

# The last but a few: from here on only what the user's PGD has too may be touched, the entry stack among it.
	.macro SWITCH_TO_USER_CR3 scratch_reg at
	.if X86_FEATURE_PTI
	movq	%cr3, \scratch_reg
	orq	$PTI_USER_PGTABLE_MASK, \scratch_reg
LABEL \at\()_user_cr3
	movq	\scratch_reg, %cr3
	.endif
	.endm

# The same where the user's flags are loaded already: the bit is clear, so adding sets it. The register is 0 afterwards.
	.macro SWITCH_TO_USER_CR3_KEEP_FLAGS scratch_reg at
	.if X86_FEATURE_PTI
	movq	%cr3, \scratch_reg
	leaq	PTI_USER_PGTABLE_MASK(\scratch_reg), \scratch_reg
LABEL \at\()_user_cr3
	movq	\scratch_reg, %cr3
	movq	$0, \scratch_reg
	.endif
	.endm

# From anywhere, and back: an IST exception may have struck the entry code on either side of its switch.
	.macro SAVE_AND_SWITCH_TO_KERNEL_CR3 scratch_reg save_reg at
	.if X86_FEATURE_PTI
	movq	%cr3, \scratch_reg
	movq	\scratch_reg, \save_reg
	btq	$PTI_USER_PGTABLE_BIT, \scratch_reg
	jnc	\at\()_has_kernel_cr3
	andq	$~PTI_USER_PGTABLE_MASK, \scratch_reg
LABEL \at\()_kernel_cr3
	movq	\scratch_reg, %cr3
\at\()_has_kernel_cr3:
	.endif
	.endm
	.macro RESTORE_CR3 save_reg at
	.if X86_FEATURE_PTI
LABEL \at\()_restore_cr3
	movq	\save_reg, %cr3
	.endif
	.endm

# No IRET to user mode from a stack that only the kernel's PGD has: the frame goes to the entry stack first.
	.macro RETURN_FROM_ENTRY_STACK
	.if X86_FEATURE_PTI
	jmp	swapgs_restore_regs_and_return_to_usermode
	.endif
	.endm

# The pages from one to the other are mapped in every user PGD, so nothing else may lie in them: an empty section follows, on a page's start.
	.macro ENTRY_TEXT name section
	.if X86_FEATURE_PTI
	.pushsection \section, "ax"
	.balign	4096
	.globl	\name
\name:
	.popsection
	.endif
	.endm
