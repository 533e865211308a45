; preprocessor of the NASM dialect
bits 64
%define square(x) ((x) * (x))
%define twice(x) x + x
%define list 1, 2, 3
%define concat(a, b) a %+ b
%define str 'abc'
%idefine CaseLess 77
%xdefine frozen square(3)
%define self 5
%define nested(a) square(twice(a))
%define empty
%define two_args(a, b) db a, b
%define greedy(a, b+) db a, b
section .text
start:
    dd square(5), twice(3) * 2, caseless, CASELESS, frozen, nested(2)
    db list, str
    concat(n, op)
    mov concat(ea, x), 5
    db 1 empty
    two_args(1, 2)
    greedy(1, 2, 3)
%macro proc 1
global %1
%1:
    push rbp
    mov rbp, rsp
%push proc
%define %$name %1
%assign %$args 0
%endmacro
%macro arg 0-1 8
%assign %$args %$args + %1
%endmacro
%macro endproc 0
    db %$args
%ifctx proc
    leave
    ret
%endif
%pop proc
%endmacro
proc one
    arg
    arg 4
endproc
proc two
endproc
%macro rev 0-*
%rep %0
%rotate -1
    db %1
%endrep
%endmacro
rev 1, 2, 3
rev
%macro maybe 1-2
%ifnempty %2
    db %1, %2
%else
    db %1
%endif
%endmacro
maybe 1
maybe 1, 2
%macro overloaded 1
    db 1, %1
%endmacro
%macro overloaded 2
    db 2, %1, %2
%endmacro
overloaded 5
overloaded 5, 6
%macro braces 2
    db %1
    db %2
%endmacro
braces {1, 2}, {3, 4}
%macro cond 2
    j%+1 %2
    j%-1 %2
    cmov%+1 eax, ebx
%endmacro
cond z, start
cond nae, start
%macro locals 0
    jmp %%end
%%start:
    nop
    jmp %%start
%%end:
%endmacro
locals
locals
%macro labelled 0
    nop
%endmacro
here_label: labelled
    dd here_label
%macro mov 2
    mov %1, %2
    nop
%endmacro
mov eax, 1
%unmacro mov 2
mov eax, 1
%macro tail 1+
    db %1
%endmacro
tail 1, 2, 'x', "y"
%macro defaults 0-3 10, 20, 30
    db %1, %2, %3
%endmacro
defaults
defaults 1
defaults 1, 2, 3
%macro paste 2
%1_%2: db 1
my%1: db %{1}_%2 - start
L%[val]: db 0
%endmacro
%assign val 7
paste foo, bar
    dd L7, myfoo
%macro outer 1
%macro inner_%1 1
    db %1, %%1
%endmacro
%endmacro
%assign i 0
%rep 3
%assign j 0
%rep 2
    db i * 16 + j
%assign j j + 1
%endrep
%assign i i + 1
%endrep
%assign n 0
%rep 1000
%if n >= 5
%exitrep
%elif n = 3
    db 0xff
%else
    db n
%endif
%assign n n + 1
%endrep
%macro stop 1
%if %1 > 5
%exitmacro
%endif
    db %1
%endmacro
stop 3
stop 7
%ifdef square
    db 1
%endif
%ifmacro proc 1
    db 2
%endif
%ifnmacro nothing
    db 3
%endif
%ifnum -5
    db 4
%endif
%ifnnum abc
    db 5
%endif
%iftoken abc
    db 6
%endif
%ifidn "x",'x'
    db 7
%endif
%ifstr 'x'
    db 8
%endif
%if 1 && 0 || 1
    db 9
%endif
%if self == 5 && self != 6
    db 10
%endif
%ifndef square
    db 0xee
%elifdef twice
    db 11
%else
    db 0xed
%endif
%ifid self
    db 12
%endif
%strlen l 'hello'
%substr s1 'hello' 1
%substr s2 'hello' 2, -2
%strcat s3 s1, "-", s2
%defstr s4 some text
%deftok tok1 'start'
    db l, s1, s2, s3, s4
    dd tok1
%line 5+1 other.asm
    db __LINE__ - __LINE__
    db __?BITS?__
%warning just a warning
%macro three 3
    dw %1, %2, %3
%endmacro
    three 1, square(2), (3 + 4)
    three 'a', "b, c", 5
%macro count 0-*
    db %0
%endmacro
count
count 1
count 1, 2
count {1, 2}
%macro range 4
    db %{2:3}
    db %{-1:1}
%endmacro
range 1, 2, 3, 4
