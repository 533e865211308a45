# Fizz and buzz up to 15, through a line buffer in .bss.
	.intel_syntax noprefix
	.globl _start
	.lcomm	buffer, 256
	.text
_start:
	lea	rdi, buffer[rip]
	mov	ebx, 1
next:	xor	ebp, ebp
	mov	eax, ebx
	cdq
	mov	ecx, 3
	div	ecx
	test	edx, edx
	jnz	1f
	mov	eax, 'F' | 'i' << 8 | 'z' << 16 | 'z' << 24
	stosd
	inc	ebp
1:	mov	eax, ebx
	xor	edx, edx
	mov	ecx, 5
	div	ecx
	test	edx, edx
	jnz	1f
	mov	eax, dword ptr buzz[rip]
	stosd
	inc	ebp
1:	test	ebp, ebp
	jnz	3f
	mov	eax, ebx
	xor	edx, edx
	mov	ecx, 10
	div	ecx
	test	eax, eax
	jz	2f
	add	al, '0'
	stosb
2:	mov	eax, edx
	add	al, '0'
	stosb
3:	mov	al, ' '
	stosb
	inc	ebx
	cmp	ebx, 15
	jbe	next
	mov	byte ptr [rdi - 1], '\n'
	lea	rsi, [rip + buffer]
	mov	rdx, rdi
	sub	rdx, rsi
	mov	edi, 1
	mov	eax, 1
	syscall
	mov	eax, 60
	xor	edi, edi
	syscall
	.section .rodata.cst4, "aM", @progbits, 4
	.balign	4
buzz:	.ascii	"Buzz"
	.section .note.GNU-stack, "", @progbits
