; The first program, with a label's own local labels.
        bits 64
        default rel
        global _start:function (_start.end - _start)
SYS_WRITE equ 1
SYS_EXIT  equ 60
        section .text
_start: mov     eax, SYS_WRITE
        mov     edi, 1
        lea     rsi, [text]
        mov     edx, text.size
        syscall
        mov     eax, SYS_EXIT
        xor     edi, edi
        syscall
.end:
        section .rodata
text:   db      "hello", ', ', `world\n`
.size   equ     $ - text
        section .note.GNU-stack noalloc noexec nowrite progbits
