	.intel_syntax noprefix
	.code32
	.text
start:
	mov eax, dword ptr [ebx + ecx*4 + 0x10]
	mov eax, [ebx][ecx*2][8]
	mov ax, word ptr es:[edi]
	mov al, byte ptr [data + 1]
	mov al, data[ebx]
	mov eax, offset data
	mov eax, offset data + 4
	mov eax, data
	mov eax, [data]
	mov eax, 0x10 + 2 * 4
	mov eax, 1 shl 4 or 2
	mov eax, not 0
	mov eax, (5 + 3) / 2
	mov eax, -1
	mov edx, value
	add eax, value + 1
	and eax, 0xfffffff0
	push offset data
	push dword ptr [data]
	push 1
	call start
	call dword ptr [data]
	call eax
	jmp short start
	jmp start
	jnz start
	jmp dword ptr [eax*4 + data]
	loop start
	int 0x80
	cmp byte ptr [esi], 'a'
	mov dword ptr [esp], 5
	mov word ptr [esp], 5
	rep movsd
	repe cmpsb
	lock inc dword ptr [eax]
	in al, dx
	out 0x80, al
	shl dword ptr [eax], 3
	fld dword ptr [eax]
	fadd st, st(1)
	fstp tbyte ptr [eax]
	fxch st(3)
	movq mm0, qword ptr [eax]
	movups xmm1, xmmword ptr [eax]
	lea eax, [eax + eax*2]
	lea esi, [esp + 4]
	mov eax, cr0
	mov dr7, eax
	mov ds, ax
	lgdt [data]
	ret
	value = 12
	.att_syntax prefix
	movl $1, %eax
	.intel_syntax
	mov %eax, 5
	mov %eax, [%ebx + 4]
	.data
data:	.long 1, 2
