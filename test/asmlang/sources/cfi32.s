	.cfi_sections .eh_frame, .debug_frame
f:	.cfi_startproc
	push %ebp
	.cfi_def_cfa_offset 8
	.cfi_offset %ebp, -8
	mov %esp, %ebp
	.cfi_def_cfa_register ebp
	ret
	.cfi_endproc
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa esp, 16
	.cfi_offset eip, 8
	.cfi_offset eflags, 8
	.cfi_offset %xmm1, 8
	nop
	.cfi_endproc
