	.intel_syntax noprefix
	.text
	.globl main
main:
	push rbp
	mov rbp, rsp
	mov eax, DWORD PTR [rbp-4]
	mov QWORD PTR [rsp+rcx*8+16], rax
	lea rdi, [rip + text]
	lea rsi, text[rip]
	mov eax, OFFSET text
	mov eax, text
	mov byte ptr [rax], 1
	mov edx, 10 shl 2
	add rax, fs:[0x28]
	mov rax, gs:0x30
	cmp word ptr [rbx + 4*rax - 2], 5
	jne done
	call main
	call [rax]
	call qword ptr [rip + pointer]
	jmp rax
	movzx eax, byte ptr [rsi]
	movsx rcx, word ptr [rsi]
	movsxd rdx, dword ptr [rsi]
	rep stosb
	lock xadd [rcx], eax
	imul eax, ebx, 3
	shl rax, cl
	xor r8d, r8d
	movaps xmm0, xmmword ptr [rsp]
	fld qword ptr [rsp]
	fld st(2)
	test al, 1
	push 5
	push qword ptr [rax]
	ret 8
done:	leave
	ret
	.att_syntax
	movl $1, %eax
	.data
text:	.asciz "x"
pointer: .quad main
