// C preprocessor
#define SYS_write 1
#define ARG(n) rdi ## n
#define LOAD(reg, value) mov $value, reg
#define TWICE(x) x ; x
#define STR(x) #x
#ifdef __x86_64__
# define WORD .quad
#else
# define WORD .long
#endif
#if defined(SYS_write) && SYS_write == 1 /* yes */
	.text
	.globl f
f:	LOAD(%eax, SYS_write)
	TWICE(nop)
	TWICE(inc %eax)
#elif 1
	.error "wrong"
#else
	.error "wrong too"
#endif
#define LONG \
	push %rax ; \
	pop %rax
	LONG
	WORD f, 5 # a comment
	.ascii STR(hello world) // another
	.if SYS_write > 0
	.byte 1; .byte 2
	.endif
#undef SYS_write
#ifndef SYS_write
	.byte 3
#endif
