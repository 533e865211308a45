	# Directives that few programs use, and all of them together.
	.version "01.01"
	.text 1
x1: .long c1 - a1, b1 - a1
.text
a1: nop
.text 1
b1: cld
.text 0
c1: jmp b1
.subsection 3
hlt
.previous
std
	.data 2
.byte 1
.data
.byte 2
.subsection 1
.byte 3
	.pushsection .rodata, 1
.byte 5
.popsection
.byte 6
.section .rodata, "a"
.byte 7
	.text
	.altmacro
	.macro two a b
	local here
here:	.byte a, &b, here - here
	.ascii "x&a-\b&y"
	.endm
	two 1 2
	two %(1+2), <4>
	two %3*2 5
	.irp x,<1,2>,3
.byte x
.endr
	.noaltmacro
	.macro list a=5, b:vararg
	.long \a
.ascii "\b"
	.endm
	list
list 1, 2, 3
list b=x
	.reloc ., R_X86_64_64, ext + 4
	.quad 0
	.reloc 1, R_X86_64_NONE, ext
	.weakref alias, target
call alias
	.dc 3
.dc.b 7
.dc.w 6
.dc.l 5
.dc.a x1
.dc.s 1.5
.dc.d 2.5
.dc.x 3.5
	.dcb 2, 3
.dcb.b 3, 5
.dcb.w 2, 7
.dcb.l 2, 9
.dcb.s 2, 1.5
.dcb.d 1, -2
.dcb.x 1, 4
	.ds 2
.ds.b 3
.ds.w 2
.ds.l 1
.ds.s 1
.ds.d 1
.ds.p 1
.ds.x 1, 3
	.string16 "ab"
.string32 "a"
.string64 "a"
	.nops 15, 4
.nops 9
	.local l
.comm l, 4
.local m
.comm m, 8, 8
.lcomm n, 3
.bss
.skip 3
	.text
	.att_syntax noprefix
	mov $1, eax
mov (rbx,rcx,4), rax
add eax, foo(rip)
push fs
fld st(1)
jmp *rax
movl fs:5, ecx
	.att_syntax prefix
	.code16gcc
	push %eax
pushl %eax
push %ax
call 1f
ret
push $5
leave
enter $1, $2
pushf
popa
lret
iret
push x1
push %ds
1:	pop %es
	.code64
	.type indirect, STT_GNU_IFUNC
indirect: ret
	.func f
.endfunc
	.balign 32, 0x90
	.cfi_sections .debug_frame
	.cfi_startproc
nop
.cfi_endproc
