; The rest of the preprocessor: conditions of every kind, %[..], %?, includes of files made here, packages.
bits 64
%use altreg
%use ifunc
%use fp
%pragma asm off
%ifndef LEVEL
  %define LEVEL 2
%endif
%define  name_1 'one'
%define  name_2 'two'
%define  chosen name_%[LEVEL]
%ifdef LEVEL
  %if LEVEL == 1 || LEVEL == 2 && !(LEVEL > 5)
    %warning level is LEVEL
  %endif
%endif
%macro  show 0-1
  %ifid %1
        db 'I'
  %elifnum %1
        db 'N'
  %elifstr %1
        db 'S'
  %else
        db '?'
  %endif
  %iftoken %1
        db 't'
  %endif
  %ifempty %1
        db 'e'
  %endif
  %ifn %0 - 1
        db 'n'
  %endif
  %ifidn %1,foo
        db 'f'
  %elifidni %1,FOO
        db 'F'
  %endif
  %ifnidn %1,bar
        db 'b'
  %endif
%endmacro
global _start
section .data
text:   show foo
        show Foo
        show 12
        show -12
        show "s"
        show {a, b}
        show
        db chosen, __LINE__, ilog2e(16), %eval(3*4+'0'), 10
.end:
        dd __NASM_MAJOR__, __?BITS?__
%ifidn __?OUTPUT_FORMAT?__, elf64
        dq float64(1.5)
%endif
section .text
_start: mov r0d, 1
        mov r7d, 1
        mov r6, text
        mov r2d, text.end - text
        syscall
        mov eax, 60
        mov edi, LEVEL << 2 | 1
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
