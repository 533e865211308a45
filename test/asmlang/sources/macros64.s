# macros, repetitions and conditions of the GNU dialect
	.text
	.macro	enter_frame size=0, regs:vararg
	push	%rbp
	mov	%rsp, %rbp
	.if	\size
	sub	$\size, %rsp
	.endif
	.ifnb	\regs
	.irp	r, \regs
	push	%\r
	.endr
	.endif
	.endm
	.macro	sum from=0, to=5
	.long	\from
	.if	\to-\from
	sum	"(\from+1)",\to
	.endif
	.endm
	.macro	op name:req a b
	\name\()l	\a, \b
	.endm
	.macro	unique
lab\@:	jmp	lab\@
	.quad	lab\@
	.endm
	.macro	inner x
	.byte	\x
	.endm
	.macro	outer x, y
	inner	\x
	inner	(\y)
	.macro	made_\x
	.byte	\y, \y
	.endm
	.endm
	.macro	check a
	.ifc	\a, yes
	.byte	1
	.else
	.ifc	\a,no
	.byte	2
	.else
	.exitm
	.byte	99
	.endif
	.endif
	.byte	3
	.endm
	.macro	pad n
	.rept	\n
	.byte	0xcc
	.endr
	.endm
start:
	enter_frame
	enter_frame 32
	enter_frame 16, rax, rbx
	enter_frame size=8
	sum
	sum 1, 3
	op	mov %eax, %ebx
	op	add, $5, %ecx
	op name=sub, a=%eax, b=%edx
	unique
	unique
	outer 1, 2+3
	made_1
	check yes
	check no
	check other
	pad 3
	.set i, 0
	.rept 4
	.byte i
	.set i, i + 1
	.endr
	.irp reg, %rax, %rbx, %r8
	push \reg
	.endr
	.irp v, 1 2 3
	.byte \v
	.endr
	.irpc d, 789
	.byte \d
	.endr
	.rept 2
	.irp n, 1, 2
	.byte \n
	.endr
	.endr
	.ifdef start
	.byte 0x10
	.endif
	.ifndef undefined_thing
	.byte 0x11
	.endif
	.ifeq 0
	.byte 0x12
	.endif
	.ifne 1
	.byte 0x13
	.endif
	.ifgt 5
	.byte 0x14
	.endif
	.iflt -5
	.byte 0x15
	.endif
	.ifge 0
	.byte 0x16
	.endif
	.ifle 1
	.byte 0x17
	.endif
	.ifb
	.byte 0x18
	.endif
	.if 0
	.if 1
	.byte 0xee
	.else
	.byte 0xef
	.endif
	.elseif 0
	.byte 0xed
	.elseif 2 > 1
	.byte 0x19
	.else
	.byte 0xec
	.endif
	.ifeqs "a", "a"
	.byte 0x1a
	.endif
	.ifnes "a", "b"
	.byte 0x1b
	.endif
	.purgem pad
	.macro pad a
	.byte \a
	.endm
	pad 5
