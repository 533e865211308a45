; many features of the language, 64-bit ELF
bits 64
default rel
global _start, helper:function (helper.end - helper), shared_data:data 8
extern outside, other
%define VALUE 5
%define ADD(a, b) ((a) + (b))
%xdefine LATER VALUE * 2
%undef VALUE
%define VALUE 7
%assign counter 0
%macro push2 2
    push %1
    push %2
%endmacro
%macro many 1-*
%rep %0
    dd %1
%rotate 1
%endrep
%endmacro
%macro text 2+
%1: db %2
%endmacro
%imacro WithLocal 0
%%again:
    dec ecx
    jnz %%again
%endmacro
%macro def 1-3 10, 20
    dw %1, %2, %3
%endmacro
%macro jumpif 2
    j%-1 %%skip
    jmp %2
%%skip:
%endmacro

section .text
_start:
    push2 rax, rbx
    mov eax, ADD(1, 2)
    mov ecx, LATER
    mov edx, VALUE
    withlocal
    WITHLOCAL
    jumpif e, helper
    mov rsi, message
    lea rsi, [message]
    lea rdi, [rel message + 4]
    mov eax, [abs 0x1000]
    mov eax, [table + rcx*4]
    mov [rbx + rax*2 - 8], cl
    mov qword [rsp], 1
    mov byte [rdi], 'a'
    add eax, end - start_of
    add dword [rax], 200
    add eax, strict dword 5
    push strict dword 5
    push byte 5
    push 500
    mov rax, 0x1122334455667788
    mov rax, -1
    mov rax, 0xffffffff
    mov rax, [fs:0x28]
    mov rax, [gs:rbx]
    lea rax, [rax*2]
    lea rax, [rax*3]
    lea rax, [rax*5 + 4]
    lea rax, [nosplit rax*2]
    lea rax, [rbx + rax]
    lea rax, [rax + rsp]
    lea rax, [rax + rax]
    lea rax, [byte rbx + 4]
    lea rax, [dword rbx + 4]
    lea eax, [ebx + 8]
    lea rax, [r8 + r9*8 + 0x100]
    call outside
    call helper
    call qword [pointer]
    jmp outside
    jmp short .near
    jz .far
.near:
    times 200 nop
.far:
    jz .near
    loop .far
    jmp near .far
    jrcxz .far
    lock inc dword [counter_var]
    rep movsb
    repne scasb
    mov es, ax
    mov cr3, rax
    syscall
    iretq
    o64 retf
    imul eax, ebx, 12
    imul ecx, 3
    shl eax, 1
    shl eax, cl
    test al, 1
    xchg rax, r8
    movzx eax, byte [rsi]
    movsxd rax, ecx
    cmovz eax, ebx
    setnz al
    int3
    int 0x80
    in al, 0x60
    out dx, al
    enter 16, 0
    retf 4
    ret
start_of: times 5 nop
end:
align 16
helper:
    nop
.end:
    align 8, int3
    dq helper, outside, $, $$, end - start_of
    dd helper - _start, outside - $
%if counter == 0
    db "yes"
%elif counter == 1
    db "maybe"
%else
    db "no"
%endif
%ifdef VALUE
    db 1
%endif
%ifndef NOTHING
    db 2
%endif
%ifidn a, a
    db 3
%endif
%ifidni ABC, abc
    db 4
%endif
%ifnum 5
    db 5
%endif
%ifstr "x"
    db 6
%endif
%ifid foo
    db 7
%endif
%ifempty
    db 8
%endif
%ifnidn a, b
    db 9
%endif
%rep 4
    db counter
%assign counter counter + 1
%endrep
%assign i 0
%rep 100
%if i == 3
%exitrep
%endif
    db i
%assign i i + 1
%endrep
%push ctx
%$here: dq %$here
%define %$n 9
    db %$n
%pop
%strlen len "hello"
    db len
%substr sub "hello" 2, 3
    db sub
%strcat cat "ab", 'cd'
    db cat
%define name foo
%[name]_bar: db 1
label_ %+ name: db 0

section .rodata
message: db "Hello", 10, 0
    db `tab\tnul\0\x41\u263a`, "it's"
table: dd 1, 2, 3, 0x10, 10h, 0b101, 101b, 17o, 0q17, $0a, 1_000, 12d
    dw 'ab', 'abc', 1.5
    dq 1.0, -2.5e10, 'abcdefgh', __float32__(1.5)
    dd 1.5, 3.14159, 1e10, __Infinity__
    dt 1.0, 3.141592653589793238
    do 1.0
    dd 7 / 2, -7 // 2, 7 % 3, -7 %% 3, 1 << 4, 0x80 >> 3, 5 & 4 | 2 ^ 1, ~0, !5
    dd 5 > 3, 5 = 5, 5 <> 5, 1 && 0, 1 || 0, 5 ? 10 : 20
    many 1, 2, 3
    text hi, "a", "b", 0
    def 1
    def 1, 2, 3
    db 3 dup (1, 2), 4
    times 3 dw 0x1234
    times 16 - ($ - $$) % 16 db 0xff
struc point
.x: resd 1
.y: resd 1
.name: resb 8
endstruc
origin: istruc point
    at point.x, dd 1
    at point.y, dd 2
    at point.name, db "origin"
iend
    dd point_size, point.y, point.name
absolute 0x100
abs_a: resw 1
abs_b: resd 2
section .data
shared_data: dq 5
pointer: dq helper
counter_var: dd abs_b
    dd abs_a
const equ 42
later_user: db const, forward_const
forward_const equ 17
section .bss
buffer: resb 64
    alignb 16
words: resw 10
    resq 4
section .custom progbits alloc exec nowrite align=32
    ret
section .note.GNU-stack noalloc noexec nowrite progbits
