	call foo@PLT
	call foo
	call loc@PLT
	jmp glob@PLT
	movl foo@GOT(%ebx), %eax
	movw foo@GOT(%ebx), %ax
	addl foo@GOT(%ebx), %eax
	call *foo@GOT(%ebx)
	pushl foo@GOT(%ebx)
	leal foo@GOTOFF(%ebx), %eax
	leal loc@GOTOFF(%ebx), %eax
	movl loc@GOT(%ebx), %eax
	leal foo@TLSGD(,%ebx,1), %eax
	leal foo@TLSLDM(%ebx), %eax
	leal foo@DTPOFF(%ebx), %eax
	movl %gs:foo@NTPOFF, %eax
	movl $foo@TPOFF, %eax
	movl foo@INDNTPOFF, %eax
	movl foo@GOTNTPOFF(%ebx), %eax
	movl foo@GOTTPOFF(%ebx), %eax
	leal foo@TLSDESC(%ebx), %eax
	addl $_GLOBAL_OFFSET_TABLE_, %ebx
	addl $_GLOBAL_OFFSET_TABLE_+[.-loc], %ebx
	addl $_GLOBAL_OFFSET_TABLE_, %eax
	movl $foo@SIZE, %eax
	movb $foo, %al
loc:	nop
	.globl glob
glob:	nop
	.data
	.long foo@GOTOFF, foo@GOT, foo@PLT, foo@ntpoff
	.long loc@GOTOFF
	.long _GLOBAL_OFFSET_TABLE_
