; Included files: a table of squares from a file that was included with arguments, and raw bytes.
bits 64
%define ITEMS 5
%include "squares.inc"
%ifdef SQUARES_INC
  %include "squares.inc"
%endif
global _start
section .rodata
raw:    incbin "raw.dat"
part:   incbin "raw.dat", 2
piece:  incbin "raw.dat", 1, 3
.end:
section .text
_start: mov rsi, squares
        xor edi, edi
        mov ecx, ITEMS
.next:  movzx eax, word [rsi]
        add edi, eax
        add rsi, 2
        loop .next
        add edi, piece.end - raw
        movzx eax, byte [piece]
        add edi, eax
        mov eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
