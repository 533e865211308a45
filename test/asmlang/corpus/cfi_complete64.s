# Every .cfi directive, one function each.
	.cfi_sections .eh_frame, .debug_frame
	.text
	.globl	_start
_start:
f1:	.cfi_startproc
	.cfi_personality 0x1b, personality
	.cfi_lsda 0x1b, lsda
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	movq	%rax, %r12
	.cfi_register %r12, %rax
	.cfi_same_value %r13
	.cfi_val_offset %r14, -8
	.cfi_escape 0x0f, 3, 0x77, 8, 0x06
	nop
	.cfi_window_save
	.cfi_endproc
f2:	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa %rsp, 16
	.cfi_return_column %rip
	.cfi_offset 16, -8
	movl	$60, %eax
	.cfi_remember_state
	xorl	%edi, %edi
	.cfi_def_cfa_offset 24
	.cfi_restore_state
	syscall
	.cfi_endproc
f3:	.cfi_startproc
	.fill	300, 1, 0x90
	.cfi_undefined %rbp
	.fill	70000, 1, 0x90
	.cfi_def_cfa_offset 4096
	ret
	.cfi_endproc
personality:
	ret
	.section .gcc_except_table, "a"
lsda:	.byte	0xff, 0xff, 1
	.uleb128 lsda_end - lsda_start
lsda_start:
	.uleb128 200
	.sleb128 -200
lsda_end:
	.section .note.GNU-stack, "", @progbits
