	.cfi_sections .eh_frame, .debug_frame
f:	.cfi_startproc
	push %rbp
	.cfi_def_cfa_offset 8
	.cfi_offset %rbp, -8
	mov %rsp, %rbp
	.cfi_def_cfa_register rbp
	ret
	.cfi_endproc
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 16
	.cfi_offset rip, 8
	.cfi_offset eflags, 8
	.cfi_offset %xmm1, 8
	nop
	.cfi_endproc
