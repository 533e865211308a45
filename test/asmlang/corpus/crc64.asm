; CRC-32 with a table of the preprocessor's own making.
bits 64
default rel
section .rodata align=4
table:
%assign i 0
%rep 256
  %assign c i
  %rep 8
    %if c & 1
      %assign c (c >> 1) ^ 0xedb88320
    %else
      %assign c c >> 1
    %endif
  %endrep
        dd c
  %assign i i + 1
%endrep
text:   db "123456789"
.size   equ $ - text
section .text
global _start
_start: lea rbx, [table]
        lea rsi, [text]
        mov ecx, text.size
        mov edx, -1
.next:  lodsb
        xor al, dl
        movzx eax, al
        shr edx, 8
        xor edx, [rbx + rax * 4]
        loop .next
        not edx
        xor edi, edi
        cmp edx, 0xcbf43926
        sete dil
        mov eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
