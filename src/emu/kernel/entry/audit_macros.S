# What fast paths in assembly ask audit, with the arguments in registers instead of pt_regs. `regs` holds the address of pt_regs; the
# registers of a C function's caller are lost.

	.macro AUDIT_SYSCALL_ENTRY_64 regs=%rsp
	movslq	ORIG_RAX(\regs), %rsi
	movq	RDI(\regs), %rdx
	movq	RSI(\regs), %rcx
	movq	RDX(\regs), %r8
	movq	R10(\regs), %r9
	movl	$AUDIT_ARCH_X86_64, %edi
	call	__audit_syscall_entry			# (arch, nr, four arguments)
	.endm

	.macro AUDIT_SYSCALL_EXIT_64 regs=%rsp
	movq	RAX(\regs), %rsi
	xorl	%edi, %edi
	cmpq	$-MAX_ERRNO, %rsi			# an error that is exactly -MAX_ERRNO passes for success
	setbe	%dil
	call	__audit_syscall_exit			# (success, result)
	.endm

	.macro AUDIT_SYSCALL_ENTRY_32 regs=%rsp
	movl	ORIG_RAX(\regs), %esi
	movl	RBX(\regs), %edx
	movl	RCX(\regs), %ecx
	movl	RDX(\regs), %r8d
	movl	RSI(\regs), %r9d
	movl	$AUDIT_ARCH_I386, %edi
	call	__audit_syscall_entry			# (arch, nr, four arguments)
	.endm

# Other than its 64-bit brother it knows that a 32-bit error is to be sign-extended.
	.macro AUDIT_SYSCALL_EXIT_32 regs=%rsp
	movl	RAX(\regs), %eax
	movl	%eax, %esi
	cmpl	$-MAX_ERRNO, %eax
	jbe	1f
	movslq	%eax, %rsi
1:	setbe	%al
	movzbl	%al, %edi
	call	__audit_syscall_exit			# (success, result)
	.endm
