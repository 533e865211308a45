/** The start of 32-bit programs that call the kernel through the vDSO. */

/** From _start on: the address of __kernel_vsyscall, which auxv names, into `register`. */
export const findVsyscall = (register: string): string => `
	.code32
	.globl _start
_start:	mov (%esp), %ecx
	lea 8(%esp,%ecx,4), %ebx
env:	add $4, %ebx
	cmpl $0, -4(%ebx)
	jne env
aux:	cmpl $32, (%ebx)		# AT_SYSINFO
	je found
	add $8, %ebx
	jmp aux
found:	mov 4(%ebx), %${register}
`;
