; Strings in the preprocessor and in data: lengths, parts, conversions, wide characters, escapes.
bits 64
%define  word 'assembler'
%strlen  length word
%substr  head word 1, 3
%substr  last word -2, -1
%strcat  both head, '-', last
%defstr  quoted size=length
%deftok  token 'lodsb'
global _start
section .data
text:   db both, ' ', quoted, ' ', %str(a b), ' ', %strcat("x", "y"), `\t\x41\101\e[0m\n`
.end:
wide:   dw __utf16__('wide'), 0
        dd __utf32__(`\u00e9`), 0
        dw __utf16be__('be')
        dw __?utf16le?__('le')
        db 'tail', 0
        dw 'abc'
        dd 'abcde'
        dq "eight by"
        dt 'ten'
        dd 'ab'+1
        db length, 'a'-'A'
section .text
_start: mov rsi, text
        mov edx, text.end - text
        mov eax, 1
        mov edi, 1
        syscall
        mov rsi, wide
        token
        movzx edi, al
        mov eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
