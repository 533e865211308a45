	.text
f:	.cfi_startproc
	push %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov %rsp, %rbp
	.cfi_def_cfa_register rbp
	.cfi_remember_state
	jmp 1f
	.skip 200
1:	pop %rbp
	.cfi_restore rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_restore_state
	.cfi_endproc
g:	.cfi_startproc
	nop
	.cfi_adjust_cfa_offset 24
	.cfi_rel_offset rbx, 8
	.skip 70000
	.cfi_escape 0x0f, 3, 0x77, 8, 6
	.cfi_val_offset 12, 32
	.cfi_val_offset 12, -32
	.cfi_offset 12, 32
	.cfi_offset 100, -32
	.cfi_restore 100
	.cfi_register rax, rcx
	.cfi_undefined %rax, %rcx
	.cfi_same_value %r12
	nop
	.cfi_def_cfa_offset -16
	.cfi_def_cfa 7,-16
	.cfi_window_save
	.cfi_endproc
h:	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 16
	.cfi_offset rip, -8
	nop
	.cfi_endproc
i:	.cfi_startproc
	.cfi_personality 0x9b, DW.ref.__gxx_personality_v0
	.cfi_lsda 0x1b, .LLSDA0
	nop
	.cfi_endproc
i2:	.cfi_startproc
	.cfi_personality 0x9b, DW.ref.__gxx_personality_v0
	.cfi_lsda 0x1b, .LLSDA1
	nop
	.cfi_endproc
j:	.cfi_startproc
	.cfi_personality 0x3, pers
	.cfi_lsda 0, .LLSDA0
	.cfi_return_column 5
	nop
	.cfi_val_encoded_addr 3, 0x1b, f
	.cfi_val_encoded_addr 3, 0, f
	.cfi_val_encoded_addr 3, 3, f
	.cfi_label lab
	.cfi_endproc
k:	.cfi_startproc
	nop
	.cfi_endproc
	.section .text.x, "ax"
	.cfi_startproc
	.p2align 4
	nop
	jne far
	.p2align 4
	.cfi_def_cfa_offset 100000
	.cfi_endproc
	.section .gcc_except_table,"a",@progbits
.LLSDA0: .long 1
.LLSDA1: .long 2
