# Macros of every kind; what they make is a table whose bytes are written as text.
	.macro	exit status=0
	movl	$60, %eax
	movl	$\status, %edi
	syscall
	.endm
	.macro	print label:req, size:req
	movl	$1, %eax
	movl	$1, %edi
	leaq	\label(%rip), %rsi
	movl	$\size, %edx
	syscall
	.endm
	.macro	letters first, rest:vararg
	.ascii	"\first"
	.ifnb	\rest
	letters	\rest
	.endif
	.endm
	.macro	unique
	jmp	.Lskip\@
	.ascii	"data in code"
.Lskip\@:
	.endm
	.macro	countdown n
	.ifge	\n
	.byte	'0' + \n
	.ifeq	\n - 3
	.exitm
	.endif
	countdown "(\n - 1)"
	.endif
	.endm
	.macro	pair a, b
\a\()_\b:
	.byte	'\a, '\b
	.endm
	.globl	_start
	.text
_start:	unique
	unique
	print	table, table_size
	exit	status=3
	.data
table:	letters	a, b, c
	countdown 7
	pair	x, y
	.irp	n, 1, 2, 3
	.byte	'0 + \n
	.endr
	.irpc	c, pqr
	.byte	'\c
	.endr
	.rept	3
	.byte	'.
	.endr
	.altmacro
	.macro	local_loop n
	local	top, sum
	sum = n
top:	.byte	sum + 'A'
	.endm
	local_loop %1+1
	local_loop 3
	.noaltmacro
	.purgem	pair
	.ifdef	x_y
	.byte	'd
	.endif
	.ifndef	nothing
	.byte	'n
	.endif
	.ifnotdef nothing
	.byte	'N
	.endif
	.ifb
	.byte	'b
	.endif
	.ifc	same, same
	.byte	'c
	.endif
	.ifnc	this, that
	.byte	'C
	.endif
	.ifeqs	"a", "a"
	.byte	'q
	.endif
	.ifnes	"a", "b"
	.byte	'Q
	.endif
	.iflt	-1
	.byte	'l
	.endif
	.ifle	0
	.byte	'L
	.endif
	.ifgt	0
	.byte	'g
	.elseif	1
	.byte	'e
	.else
	.byte	'z
	.endif
	.ifne	1
	.byte	'!
	.endif
	.if	0
	.err
	.else
	.byte	'\n
	.endif
	.set	table_size, . - table
	.section .note.GNU-stack, "", @progbits
