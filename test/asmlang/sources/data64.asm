; data, structures, expressions and local labels
bits 64
section .data
first: db 0, 255, -1, -128, 'a', 'abc', "it's", `\n\t\0\x1b\e\a\\\'`, 0x10, 10q, 1b, 0b1010_1010
    dw 0x1234, 'a', 'abcd', -1, first - $, 65535
    dd 0x12345678, 'abcd', 'ab', first, -1, 4294967295, 1.5, -0.0, 1e-40, __?NaN?__, -__Infinity__, __SNaN__
    dq 0x123456789abcdef0, 'abcdefgh', first + 4, 1.0e300, 1e-310, 0x1p4, 0x1.8p1
    dt 1.5, -1e4000
    do 1.5
    dw 1.0, 65504.0
    times 3 db 1, 2
    times 2 dw $ - first
    times 0 db 1
.local: dq .local, first.local
..@special: db 1
.after: dq .after
second:
.local: dq .local, first.local, second.local
    dq ..@special
$dollar: dq $dollar, dollar
$eax: dq $eax
?question: db 1
under_score: db 1_000 % 256
    dd 7 / 2, -7 / 2 > 5, -7 // 2, -7 % 3, -7 %% 3, 1 << 31, -1 >> 60, -1 >>> 60
    dd 5 & 3, 5 | 3, 5 ^ 3, ~5, !5, !0, - 5, + 5, 5 = 5, 5 == 5, 5 != 5, 5 <> 6, 5 < 6, 6 <= 6, 6 >= 7, 7 > 6
    dd 1 && 2, 0 || 0, 1 ^^ 1
    dd 1 + 2 * 3 - 4 / 2, (1 + 2) * 3, 1 | 2 ^ 3 & 4 << 5
    dd (second - first) / 2, second - first + 5, 'a' + 1
    dd 1 ? 2 : 3, 0 ? 2 : 3
align 16, db 0
    db 1
align 16
aligned: db 1
alignb 8
    db 2
align 4, db 0xcc
struc header
    .magic: resd 1
    .size: resw 2
    alignb 8
    .data: resq 2
    .end:
endstruc
struc based, 0x20
    .a: resb 1
    .b: resw 1
endstruc
instance:
istruc header
    at .magic, dd 0x1234
    at header.size, dw 1, 2
    at header.data, dq 5
iend
    dd header_size, header.size, header.data, header.end, based.a, based.b, based_size
absolute 0x7c00
    resb 10
boot_var: resw 1
boot_end:
section .data
    dw boot_var, boot_end - boot_var
constant equ 100
double equ constant * 2
later equ end_of_data - first
    dd constant, double, later
    db 2 dup (3), 2 dup (1, 2 dup (7))
    dw ?, 5
    db 'x' , ?
end_of_data:
section .bss
b1: resb 1
b2: resw 2
b3: resd 3
b4: resq 4
b5: rest 1
b6: reso 1
section .text
main:
    mov eax, constant
    mov eax, double + 1
    mov eax, later
    add eax, later
    add rax, constant
    mov ecx, header_size
    mov eax, [rbx + header.size]
    mov eax, [rbx + header_size]
    mov al, [first]
    mov al, [b3 + rcx]
    mov rax, b3
    mov rax, qword first
    mov eax, first
    mov rax, strict dword first
    lea rax, [rel first]
    cmp dword [rel b3], 5
    cmp byte [rel b1], 5
    mov word [rel b2], 500
    jmp .a
.b: jmp main
.a: jz .b
    jmp other
other.sub:
    jmp .b
.b: jmp main.b
other:
    jmp .c
.c: call main
    times 3 call other
    jmp $
    jmp $ + 5
    jmp short $ + 2
    lea rax, [$ + 10]
    mov eax, $ - main
    mov eax, $$ - main
