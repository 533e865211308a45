# Building and taking down struct pt_regs. The frame's upper part (ss, sp, flags, cs, ip, orig_ax) is pushed by the processor or by
# the entry point; these macros do the fifteen general registers below it.

	.macro PUSH_REGS rdx=%rdx rcx=%rcx rax=%rax save_ret=0
	.if \save_ret
	pushq	%rsi			# where our caller's return address lies is pt_regs->di: swap it out
	movq	8(%rsp), %rsi
	movq	%rdi, 8(%rsp)
	.else
	pushq	%rdi
	pushq	%rsi
	.endif
	pushq	\rdx
	pushq	\rcx
	pushq	\rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	.if \save_ret
	pushq	%rsi
	.endif
	.endm

# No register keeps a value that user mode chose (but rdi, rax and rsp, which every caller sets next).
	.macro CLEAR_REGS
	xorl	%esi, %esi
	xorl	%edx, %edx
	xorl	%ecx, %ecx
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	.endm

	.macro PUSH_AND_CLEAR_REGS rdx=%rdx rcx=%rcx rax=%rax save_ret=0
	PUSH_REGS rdx=\rdx, rcx=\rcx, rax=\rax, save_ret=\save_ret
	CLEAR_REGS
	.endm

	.macro POP_REGS pop_rdi=1
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	.if \pop_rdi
	popq	%rdi
	.endif
	.endm

# This CPU's per-CPU base into \reg, whatever GS holds: the CPU number is the limit of a GDT entry.
	.macro GET_PERCPU_BASE reg
	movl	$__CPUNODE_SEG, %eax
	lsl	%eax, %eax
	andl	$VDSO_CPUNODE_MASK, %eax
	movq	__per_cpu_offset(, %rax, 8), \reg
	.endm

	.macro ENTRY name
	.globl	\name
	.type	\name, @function
\name:
	.endm

# A label for people and for the timeline; nothing needs it to be global but a debugger.
	.macro LABEL name
	.globl	\name
\name:
	.endm

# With SMAP, supervisor code may touch user pages only while AC is set.
	.macro ASM_STAC
	.if X86_FEATURE_SMAP
	stac
	.endif
	.endm
	.macro ASM_CLAC
	.if X86_FEATURE_SMAP
	clac
	.endif
	.endm

# One entry of the exception table: a fault at `from` goes on at `to`. Both are kept relative to their own words.
	.macro EXTABLE from to type=EX_TYPE_UACCESS
	.pushsection __ex_table, "a"
	.long	\from - ., \to - ., \type
	.popsection
	.endm
