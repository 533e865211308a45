; Alignment of every kind, smart and plain; the distances become the status.
bits 64
%use smartalign
global _start
section .text
_start: nop
        align 8
a:      nop
        alignmode p6, 32
        align 16
b:      nop
        alignmode k8
        align 32
c:      nop
        alignmode nop, nojmp
        align 64
d:      nop
        alignmode generic
        align 64
e:      nop
        jmp short go
        align 16, int3
go:
        mov edi, (c - b) + (b - a)
        mov eax, 60
        syscall
        sectalign off
        align 128
        sectalign on
        times 3 ret
section .data
        db 1
        align 4
        dd 2
        align 8, db 0xee
        dq 3
        align 16, dw 0xabcd
        times 2 db 1, 2, 3
        times 4-($-$$) % 4 db 9
        db 3 dup (1, 2 dup (7))
        dw 2 dup ?
section .bss
        resb 1
        alignb 16
        resd 2
section .note.GNU-stack noalloc noexec nowrite progbits
