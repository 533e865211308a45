; Arguments and locals by name, with the preprocessor's stack frames, in 32-bit code.
        bits    32
        global  _start
        section .text
%push   sum
%stacksize flat
%arg    first:dword, second:dword
%assign %$localsize 0
%local  total:dword, scale:word
sum:    enter   %$localsize, 0
        mov     eax, [first]
        add     eax, [second]
        mov     [total], eax
        mov     word [scale], 2
        mov     eax, [total]
        movzx   ecx, word [scale]
        imul    eax, ecx
        leave
        ret
%pop
_start: push    dword 20
        push    dword 1
        call    sum
        add     esp, 8
        mov     ebx, eax
        mov     eax, 1
        int     80h
section .note.GNU-stack noalloc noexec nowrite progbits
