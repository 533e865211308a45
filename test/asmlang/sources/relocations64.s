	call foo
	call foo@PLT
	call loc
	call loc@PLT
	jmp foo
	jmp foo@plt
	jne foo
	jmp loc@PLT
	call glob
	jmp glob
	jmp weak
	xbegin foo
	xbegin loc
	movq foo@GOTPCREL(%rip), %rax
	movl foo@GOTPCREL(%rip), %eax
	movw foo@GOTPCREL(%rip), %ax
	addq foo@GOTPCREL(%rip), %rax
	testq %rax, foo@GOTPCREL(%rip)
	cmpl foo@GOTPCREL+8(%rip), %r9d
	movb foo@GOTPCREL(%rip), %al
	pushq foo@GOTPCREL(%rip)
	call *foo@GOTPCREL(%rip)
	jmp *foo@GOTPCREL(%rip)
	lea foo@GOTPCREL(%rip), %rax
	movq loc@GOTPCREL(%rip), %rax
	movq .Lloc@GOTPCREL(%rip), %rax
	movq foo@GOTTPOFF(%rip), %rax
	leaq foo@TLSGD(%rip), %rdi
	leaq foo@TLSLD(%rip), %rdi
	leaq foo@DTPOFF(%rax), %rdi
	movq %fs:foo@TPOFF, %rax
	movabs $foo@tpoff, %rax
	movabs $foo@GOTOFF, %rax
	movabs $foo@GOT, %rax
	movabs $foo@PLTOFF, %rax
	movabs $foo@GOTPLT, %rax
	movl foo@GOT(%rax), %eax
	leaq foo@TLSDESC(%rip), %rax
	lea _GLOBAL_OFFSET_TABLE_(%rip), %rbx
	movl $_GLOBAL_OFFSET_TABLE_, %eax
	movabs $_GLOBAL_OFFSET_TABLE_, %rax
	movabs $_GLOBAL_OFFSET_TABLE_-loc, %rax
	movl $foo@SIZE, %eax
	movq %fs:tl@tpoff, %rax
loc:	nop
.Lloc:	nop
	.globl glob
glob:	nop
	.weak weak
weak:	nop
	.data
	.long foo@GOTPCREL
	.long foo@GOTPCREL+4
	.quad foo@GOTOFF
	.quad foo@GOTPCREL
	.quad foo@GOT
	.quad foo@tpoff
	.quad foo@dtpoff
	.long foo@tpoff, foo@dtpoff
	.long foo@PLT
	.long foo@SIZE
	.quad foo@SIZE
	.long _GLOBAL_OFFSET_TABLE_ - .
	.quad _GLOBAL_OFFSET_TABLE_
	.long _GLOBAL_OFFSET_TABLE_
	.section .tdata,"awT",@progbits
	.globl tl
tl:	.long 0
