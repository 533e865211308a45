; Prefixes and hints, on instructions and alone.
bits 64
global _start
section .text
_start: lea rdi, [rsp - 64]
        mov ecx, 8
        xor eax, eax
        rep stosq
        lock inc dword [rsp - 64]
        xacquire lock add dword [rsp - 64], 4
        xrelease mov dword [rsp - 60], 1
        bnd jmp near next
next:   o16 nop
        a32 lea eax, [esp - 64]
        lea rsi, [rsp - 64]
        mov rdi, rsi
        repe
        cmpsb
        fs
        cs nop
        mov edi, [rsp - 64]
        {vex3} vpxor xmm0, xmm0, xmm1
        {vex2} vpxor xmm0, xmm0, xmm1
        mov eax, 60
        mov edi, 5
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
