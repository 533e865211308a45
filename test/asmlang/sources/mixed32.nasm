; 32-bit object with some 16-bit code
bits 32
section .text
global start
start:
    mov eax, [data]
    mov ebx, data
    mov ecx, [data + esi*4 + 8]
    lea edx, [ebp]
    lea edx, [ebp + ecx]
    mov eax, [esp]
    mov [es:edi], al
    push dword [data]
    push ds
    pop es
    call start
    call far [pointer]
    jmp 8:start
    jmp far [pointer]
    jcxz .x
    jecxz .x
    loop .x
.x: int 0x80
    sysenter
    iret
    pushf
    popfd
    pusha
    add eax, byte 5
    add ax, 500
    cmp al, 3
    and eax, -16
    bound eax, [ebx]
    les eax, [ebx]
    lar eax, ax
    mov ax, ds
    fld dword [eax]
    fstp qword [eax]
    fadd st1
    fadd to st1
    fnstcw [eax]
    a16 lodsb
    o16 pop ax
    mov eax, [word 0x10]
bits 16
real:
    mov ax, 0x10
    mov ds, ax
    mov bx, [si + 4]
    mov cx, [bp]
    mov cx, [bx + di - 2]
    mov eax, [0x1000]
    mov eax, [ebx]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:start
    jz real
    times 130 nop
    jz real
    jmp real
    call real
    push 5
    push dword 5
    push word 500
    lgdt [gdtr]
    o32 lgdt [gdtr]
    retf
    iretd
    rep movsd
    es lodsb
    xlatb
section .data
data: dd start, data, start - real
pointer: dd start
    dw 8
gdtr: dw 23
    dd data
