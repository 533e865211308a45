; String instructions and stack arguments in 32-bit code, with `extern`ed names of its own and a weak one.
        bits 32
        global _start, copy:function
        extern optional:weak
        common area 32:8
SECTION .data
source  db 'copied', 10
length  equ $ - source
SECTION .text
copy:   push esi
        push edi
        mov edi, [esp + 12]
        mov esi, [esp + 16]
        mov ecx, [esp + 20]
        cld
        rep movsb
        pop edi
        pop esi
        ret 12
_start: push dword length
        push dword source
        push dword area
        call copy
        mov edx, length
        mov ecx, area
        mov ebx, 1
        mov eax, 4
        int 80h
        mov ebx, optional
        mov eax, 1
        int 80h
section .note.GNU-stack noalloc noexec nowrite progbits
