# User copies of the 64-bit kernel: what it does with addresses that a program gave it, with interrupts on and where each access may
# fault. An access that no page can be found for goes on where __ex_table says, and what was not copied is counted. With SMAP only
# code between STAC and CLAC may touch user pages; exceptions begin with CLAC, and their IRET puts AC back.

	.include "calling.S"

	.code64
	.section .text, "ax"

# ------------------------------------------------------------------------------------------------------------------------------
# user_copy: runs the copy that an up-call is in need of; then the up-call is made again, and finds it done.
#   In:    task_struct's copy_function, copy_to, copy_from, copy_size.     Out: copy_left.
#   Regs:  keeps those that hold an up-call's arguments. Interrupts are on during the copy, as wherever Linux might fault.
#   From:  upcall_wait.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY user_copy
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushfq
	sti
	movq	%gs:PER_CPU_current_task, %rax
	movq	TASK_copy_to(%rax), %rdi
	movq	TASK_copy_from(%rax), %rsi
	movq	TASK_copy_size(%rax), %rdx
	call	*TASK_copy_function(%rax)
	popfq
	movq	%gs:PER_CPU_current_task, %rcx
	movq	%rax, TASK_copy_left(%rcx)
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	ret

# ------------------------------------------------------------------------------------------------------------------------------
# The copies. rdi = to, rsi = from, rdx = bytes; rax = bytes not copied. rcx, rdx, rsi and rdi are not kept.
#   From:  user_copy.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY raw_copy_from_user
ENTRY raw_copy_to_user
	ASM_STAC
	movq	%rdx, %rcx
	shrq	$3, %rcx
	andl	$7, %edx
LABEL copy_user_words
	rep movsq
	movl	%edx, %ecx
LABEL copy_user_bytes
	rep movsb
copy_user_end:
	ASM_CLAC
	movq	%rcx, %rax
	ret
# rcx words and edx bytes are left, and some of the first word may be there: byte by byte up to the very one that faults.
copy_user_words_fault:
	leaq	(%rdx, %rcx, 8), %rcx
	jmp	copy_user_bytes
	EXTABLE	copy_user_words, copy_user_words_fault
	EXTABLE	copy_user_bytes, copy_user_end

# clear_user: zeros, without a source.
ENTRY clear_user
	ASM_STAC
	xorl	%eax, %eax
	movq	%rdx, %rcx
	shrq	$3, %rcx
	andl	$7, %edx
LABEL clear_user_words
	rep stosq
	movl	%edx, %ecx
LABEL clear_user_bytes
	rep stosb
clear_user_end:
	ASM_CLAC
	movq	%rcx, %rax
	ret
clear_user_words_fault:
	leaq	(%rdx, %rcx, 8), %rcx
	jmp	clear_user_bytes
	EXTABLE	clear_user_words, clear_user_words_fault
	EXTABLE	clear_user_bytes, clear_user_end

# get_user and put_user: one access, all or nothing. Kernel memory is at the other end, so only one of the two can fault.
	.macro USER_WORD size reg
ENTRY get_user_\size
ENTRY put_user_\size
	ASM_STAC
user_load_\size:
	mov	(%rsi), \reg
user_store_\size:
	mov	\reg, (%rdi)
	ASM_CLAC
	xorl	%eax, %eax
	ret
	EXTABLE	user_load_\size, user_word_fault
	EXTABLE	user_store_\size, user_word_fault
	.endm
	USER_WORD 4, %ecx
	USER_WORD 8, %rcx
user_word_fault:
	ASM_CLAC
	movq	%rdx, %rax
	ret

# strncpy_from_user: rax = bytes before the zero byte, rdx if there is none among that many, or -EFAULT.
ENTRY strncpy_from_user
	ASM_STAC
	xorl	%eax, %eax
strncpy_next:
	cmpq	%rdx, %rax
	jae	strncpy_end
LABEL strncpy_load
	movb	(%rsi, %rax), %cl
	movb	%cl, (%rdi, %rax)
	testb	%cl, %cl
	jz	strncpy_end
	incq	%rax
	jmp	strncpy_next
strncpy_fault:
	movq	$-EFAULT, %rax
strncpy_end:
	ASM_CLAC
	ret
	EXTABLE	strncpy_load, strncpy_fault

	.section __ex_table, "a"
	.globl	__stop___ex_table
__stop___ex_table:
