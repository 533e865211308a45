; Multi-line macros: overloads, greedy parameters, defaults, ranges, rotation, labels of their own, loops.
bits 64
%imacro emit 1-*
  %rep %0
        db %1
    %rotate 1
  %endrep
%endmacro
%macro  emit2 2+.nolist
        db %1
        db %2
%endmacro
%macro  backwards 1-*
  %rep %0
    %rotate -1
        db %1
  %endrep
%endmacro
%macro  maybe 0-1 'd'
        db %1
%endmacro
%macro  maybe 2
        db %1, %2
%endmacro
%macro  count 1
  %assign %%n %1
  %rep %1
        db '0' + %%n
    %assign %%n %%n - 1
  %endrep
%endmacro
%macro  skipped 0
        jmp %%over
        db "data"
%%over:
%endmacro
%macro  named 1
%00:    db %1
%endmacro
%macro  tail 1-*
        db %{2:-1}
%endmacro
%macro  leave_early 1
        db %1
  %exitmacro
        db '?'
%endmacro
%define twice(x) x, x
%define join(a, b) a %+ b
%idefine Loud 'L'
%xdefine later early
%define early 'e'
%assign size_of_it 3*2
%undef  nothing_yet
global _start
section .data
text:   EMIT 'a', 'b', 'c'
        emit2 'x', 'y', 'z'
        backwards '1', '2', '3'
        maybe
        maybe 'm'
        maybe 'n', 'o'
        count 4
label_  named 'N'
        tail 'p', 'q', 'r'
        leave_early 'v'
        db twice('t'), join(la, bel), LOUD, early
        db '0' + size_of_it
%unmacro maybe 2
%ifmacro maybe 2
        db '!'
%endif
%ifmacro emit
        db 'k'
%endif
label   equ '='
        db 10
size    equ $ - text
section .text
_start:
        skipped
        skipped
        mov eax, 1
        mov edi, 1
        mov rsi, text
        mov edx, size
        syscall
        mov eax, 60
        mov edi, label_ - text
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
