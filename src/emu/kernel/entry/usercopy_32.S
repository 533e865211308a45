# User copies of the 32-bit kernel: what it does with addresses that a program gave it, with interrupts on and where each access may
# fault. An access that no page can be found for goes on where __ex_table says, and what was not copied is counted. With SMAP only
# code between STAC and CLAC may touch user pages; exceptions begin with CLAC, and their IRET puts AC back.

	.include "calling_32.S"

	.code32
	.section .text, "ax"

# ------------------------------------------------------------------------------------------------------------------------------
# user_copy: runs the copy that an up-call is in need of; then the up-call is made again, and finds it done.
#   In:    task_struct's copy_function, copy_to, copy_from, copy_size.     Out: copy_left.
#   Regs:  keeps those that hold an up-call's arguments. Interrupts are on during the copy, as wherever Linux might fault.
#   From:  upcall_wait.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY user_copy
	pushl	%eax
	pushl	%edx
	pushl	%ecx
	pushl	%ebx
	pushfl
	sti
	movl	%fs:PER_CPU_current_task, %ebx
	movl	TASK_copy_to(%ebx), %eax
	movl	TASK_copy_from(%ebx), %edx
	movl	TASK_copy_size(%ebx), %ecx
	call	*TASK_copy_function(%ebx)
	popfl
	movl	%eax, TASK_copy_left(%ebx)
	popl	%ebx
	popl	%ecx
	popl	%edx
	popl	%eax
	ret

# ------------------------------------------------------------------------------------------------------------------------------
# The copies. eax = to, edx = from, ecx = bytes; eax = bytes not copied. ecx and edx are not kept.
#   From:  user_copy.
# ------------------------------------------------------------------------------------------------------------------------------
ENTRY raw_copy_from_user
ENTRY raw_copy_to_user
	pushl	%edi
	pushl	%esi
	movl	%eax, %edi
	movl	%edx, %esi
	movl	%ecx, %edx
	shrl	$2, %ecx
	andl	$3, %edx
	ASM_STAC
LABEL copy_user_words
	rep movsl
	movl	%edx, %ecx
LABEL copy_user_bytes
	rep movsb
copy_user_end:
	ASM_CLAC
	movl	%ecx, %eax
	popl	%esi
	popl	%edi
	ret
# ecx words and edx bytes are left, and some of the first word may be there: byte by byte up to the very one that faults.
copy_user_words_fault:
	leal	(%edx, %ecx, 4), %ecx
	jmp	copy_user_bytes
	EXTABLE	copy_user_words, copy_user_words_fault, EX_TYPE_UACCESS
	EXTABLE	copy_user_bytes, copy_user_end, EX_TYPE_UACCESS

# clear_user: zeros, without a source.
ENTRY clear_user
	pushl	%edi
	movl	%eax, %edi
	movl	%ecx, %edx
	shrl	$2, %ecx
	andl	$3, %edx
	xorl	%eax, %eax
	ASM_STAC
LABEL clear_user_words
	rep stosl
	movl	%edx, %ecx
LABEL clear_user_bytes
	rep stosb
clear_user_end:
	ASM_CLAC
	movl	%ecx, %eax
	popl	%edi
	ret
clear_user_words_fault:
	leal	(%edx, %ecx, 4), %ecx
	jmp	clear_user_bytes
	EXTABLE	clear_user_words, clear_user_words_fault, EX_TYPE_UACCESS
	EXTABLE	clear_user_bytes, clear_user_end, EX_TYPE_UACCESS

# get_user and put_user: one access of 4 bytes, or two for 8, all or nothing. Kernel memory is at the other end, so only one of a
# load and its store can fault.
ENTRY get_user_4
ENTRY put_user_4
	ASM_STAC
user_load_4:
	movl	(%edx), %edx
user_store_4:
	movl	%edx, (%eax)
	ASM_CLAC
	xorl	%eax, %eax
	ret
ENTRY get_user_8
ENTRY put_user_8
	pushl	%ebx
	ASM_STAC
user_load_8:
	movl	(%edx), %ebx
user_load_8_high:
	movl	4(%edx), %edx
user_store_8:
	movl	%ebx, (%eax)
user_store_8_high:
	movl	%edx, 4(%eax)
	ASM_CLAC
	popl	%ebx
	xorl	%eax, %eax
	ret
user_word_fault_8:
	popl	%ebx
user_word_fault:
	ASM_CLAC
	movl	%ecx, %eax
	ret
	EXTABLE	user_load_4, user_word_fault, EX_TYPE_UACCESS
	EXTABLE	user_store_4, user_word_fault, EX_TYPE_UACCESS
	EXTABLE	user_load_8, user_word_fault_8, EX_TYPE_UACCESS
	EXTABLE	user_load_8_high, user_word_fault_8, EX_TYPE_UACCESS
	EXTABLE	user_store_8, user_word_fault_8, EX_TYPE_UACCESS
	EXTABLE	user_store_8_high, user_word_fault_8, EX_TYPE_UACCESS

# strncpy_from_user: eax = bytes before the zero byte, ecx if there is none among that many, or -EFAULT.
ENTRY strncpy_from_user
	pushl	%ebx
	pushl	%edi
	movl	%eax, %edi
	xorl	%eax, %eax
	ASM_STAC
strncpy_next:
	cmpl	%ecx, %eax
	jae	strncpy_end
LABEL strncpy_load
	movb	(%edx, %eax), %bl
	movb	%bl, (%edi, %eax)
	testb	%bl, %bl
	jz	strncpy_end
	incl	%eax
	jmp	strncpy_next
strncpy_fault:
	movl	$-EFAULT, %eax
strncpy_end:
	ASM_CLAC
	popl	%edi
	popl	%ebx
	ret
	EXTABLE	strncpy_load, strncpy_fault, EX_TYPE_UACCESS

	.section __ex_table, "a"
	.globl	__stop___ex_table
__stop___ex_table:
