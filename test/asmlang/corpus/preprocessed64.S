/* The C preprocessor: macros with arguments, conditions, pasting, strings, arguments over several lines. */
#include "numbers.h"
#include "numbers.h"
#define CONCAT_(a, b) a ## b
#define CONCAT(a, b) CONCAT_(a, b)
#define TEXT(name, text) \
	.pushsection .rodata; \
name:	.ascii text; \
	.set CONCAT(name, _size), . - name; \
	.popsection
#define CALL3(number, a, b, c) \
	movl $(number), %eax; \
	movl $(a), %edi; \
	leaq b(%rip), %rsi; \
	movl $(c), %edx; \
	syscall
#define QUOTE(x) #x
#if defined(__x86_64__) && !defined(__i386__) && __SIZEOF_POINTER__ == 8
# define STATUS 4
#else
# error "this is 64-bit code"
#endif
#ifndef EXTRA
# define EXTRA 1
#endif
	TEXT(hello, "from " QUOTE(the preprocessor) "\n")	// a comment
	.globl _start
_start:	CALL3(SYS_write, 1,
	      hello,
	      hello_size)
	movl	$SYS_exit, %eax
	movl	$STATUS + EXTRA, %edi	# another
	syscall
#ifdef __ELF__
	.section .note.GNU-stack, "", @progbits
#endif
