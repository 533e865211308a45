; The sieve of Eratosthenes over a bit map in .bss; the status is the number of primes below 1000.
        bits    64
LIMIT   equ     1000
        global  _start
        section .bss align=16
map:    resb    LIMIT/8 + 1
scratch: resq   4
        section .text align=32
_start: mov     ecx, 2
.next:  bt      [map], ecx
        jc      .composite
        inc     edi
        mov     edx, ecx
        imul    edx, ecx
.mark:  cmp     edx, LIMIT
        jae     .composite
        bts     [map], edx
        add     edx, ecx
        jmp     .mark
.composite:
        inc     ecx
        cmp     ecx, LIMIT
        jb      .next
        mov     eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
