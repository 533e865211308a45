# espfix64 as its prototype had it: a ministack that can be written, and only for returns that need it.

# User GS base, user registers, IRET frame at rsp on the entry stack; SS is in the LDT. LAR tells whether this return loads sp only:
# to 16- or 32-bit code with a 16-bit stack segment. What LAR refuses, IRET will refuse too.
	.set	AR_L, 1 << 21			# of a code segment: 64-bit
	.set	AR_DB, 1 << 22			# of a stack segment: 32-bit
LABEL native_irq_return_ldt
	pushq	%rcx
	larl	(CS - RIP + 8)(%rsp), %ecx
	jnz	espfix_not_needed
	testl	$AR_L, %ecx
	jnz	espfix_not_needed
	larl	(SS - RIP + 8)(%rsp), %ecx
	jnz	espfix_not_needed
	testl	$AR_DB, %ecx
	jnz	espfix_not_needed
	pushq	%rsi
	pushq	%rdi
	swapgs
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rdi at=espfix
	movq	%gs:PER_CPU_espfix_stack, %rdi
	movl	(RSP - RIP + 3*8)(%rsp), %esi
	xorw	%si, %si
	orq	%rsi, %rdi			# bits 31:16 are 0 in espfix_stack
LABEL espfix_alias_chosen
	addq	$(ESPFIX_STACK_SIZE - 8*8), %rdi
	movq	%rsp, %rsi
	movl	$8, %ecx
	rep movsq				# rdi, rsi, rcx and the frame, through the alias itself
	leaq	-(8*8)(%rdi), %rsp
	SWITCH_TO_USER_CR3 scratch_reg=%rdi at=espfix
	swapgs
LABEL espfix_on_ministack
	popq	%rdi
	popq	%rsi
	popq	%rcx
	jmp	native_irq_return_iret
LABEL espfix_not_needed
	popq	%rcx
	jmp	native_irq_return_iret

# espfix_fix_stack: from an exception's first instructions, on the ministack. GS base is the user's, for that is when its IRET runs.
# On the stack: the return address, rdi, the error code, and the five words of the fault's frame: eight words, to the entry stack.
ENTRY espfix_fix_stack
	swapgs
	cld
	movq	%gs:(PER_CPU_cpu_tss_rw + TSS_sp0), %rdi
	subq	$(8*8), %rdi
	movq	%rsi, -8(%rdi)			# they wait below
	movq	%rcx, -16(%rdi)
	movq	%rsp, %rsi
	movl	$8, %ecx
	rep movsq
	leaq	-(10*8)(%rdi), %rsp
	popq	%rcx
	popq	%rsi
	swapgs
	ret
