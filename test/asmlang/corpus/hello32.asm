; Linux's old way in: int 0x80, from a macro.
        use32
%macro  sys 1-4 0, 0, 0
        mov     eax, %1
        mov     ebx, %2
        mov     ecx, %3
        mov     edx, %4
        int     0x80
%endmacro
        segment .data
message db      'thirty-two', 0ah
size    equ     $-message
        segment .text
global  _start
_start  sys     4, 1, message, size
        sys     1, 6
        section .note.GNU-stack noalloc noexec nowrite progbits
