/* many features of the language, 64-bit */
	.set SYS_exit, 60
	.equ FLAG, 1 << 4 | 2
	.macro save reg, other=rbx
	pushq %\reg
	pushq %\other
	.endm
	.macro each first:req, rest:vararg
	.long \first
	.ifnb \rest
	each \rest
	.endif
	.endm
	.macro label
.Lx\@:	nop
	jmp .Lx\@
	.endm
	.text
	.globl entry, helper
	.type entry, @function
entry:
	save rax
	save rcx, rdx
	save other=rsi, reg=rdi
	movq %rsp, %rbp
	movl $FLAG, %eax
	movq $-1, %rcx
	movabsq $0x1122334455667788, %r11
	cmpl $SYS_exit, 8(%rsp,%rcx,4)
	je 1f
	.rept 3
	nop
	.endr
1:	testb $1, flags(%rip)
	jnz 1b
	label
	label
	jmp far_away
	.skip 120
near:	jmp far_away
	jne near
	.skip 130, 0x90
far_away:
	call helper
	call local
	call outside
	jmp outside
	jz outside
	.p2align 4
local:	ret
	.size entry, . - entry
	.p2align 4,,7
helper:
	lea table(,%rax,8), %rbx
	mov table+8, %eax
	movl $table, %edi
	movq $table, %rdi
	push $5
	push $500
	addq $8, %rsp
	lock cmpxchgq %rcx, (%rdi)
	rep movsb
	rep; stosq
	imul $10, %eax, %ecx
	shlq %rax
	shl $3, %rax
	xchg %rax, %rbx
	iretq
	sysretq
	swapgs
	mov %cr3, %rax
	mov %rax, %cr3
	mov %ds, %eax
	mov %eax, %ds
	in (%dx), %al
	out %al, $0x80
	int $0x80
	ljmp *(%rax)
	lretq
	enter $16, $0
	leave
	.byte 1, 2, 'a, '\n', -1
	.word 0x1234, table - entry
	.long entry, table, 1f - entry, .
1:	.quad entry, .Lhidden, helper - local
	.data
	.balign 8
flags:	.byte 0
	.balign 16
table:	.quad 1, 2, 3
	each 1, 2, 3, 4
	.irp r, 10, 20, 30
	.byte \r
	.endr
	.irpc c, 0123
	.byte 0x\c
	.endr
.Lhidden:
	.string "text\twith\\ \"escapes\" \101\x41"
	.asciz "a", "b"
	.fill 3, 2, 0x1234
	.octa 0x112233445566778899aabbccddeeff
	.float 1.5, -2.25e10
	.double 3.14159265358979
	.tfloat 1.0e100
	.uleb128 300, 1f - table
	.sleb128 -5, 624485
1:	.org table + 0x100
	.long 7
	.if FLAG == 18
	.ascii "yes"
	.else
	.ascii "no"
	.endif
	.ifdef nothing
	.error "no"
	.elseif 1
	.byte 0x55
	.endif
	.bss
buffer:	.zero 64
	.lcomm local_common, 32
	.comm shared, 16, 8
	.weak weakling
	.pushsection .init_data, "aw", @progbits
	.quad weakling, shared
	.popsection
	.skip 8
