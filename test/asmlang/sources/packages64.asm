; Packages, stack frames and preprocessor functions.
%use altreg
%use fp
%use ifunc
%use smartalign
mov r0, r3
mov r0d, r1d
mov r3l, 5
mov r0h, 1
mov r6w, r7w
mov r9l, r10l
dd float32(1.5)
dq float64(2.5)
dd Inf, NaN
dd ilog2e(16), ilog2w(9), ilog2f(9), ilog2c(9), ilog2(8)
align 16
nop
align 64
nop
alignmode p6
align 16
nop
align 32
alignmode k7
nop
align 16
alignmode k8
nop
align 8
alignmode nop, 3
nop
align 16
alignmode p6, nojmp
nop
align 256
alignmode generic
nop
align 512
section .data align=64
db 1
align 8
db 2
align 16, db 3
section .text
%stacksize flat64
%push frame
%assign %$localsize 0
%arg first:qword, second:dword
%local one:qword, two:byte
function: enter %$localsize, 0
mov rax, [first]
mov [one], rax
mov al, [two]
add eax, [second + 4]
lea rdx, [(rax + rbx*2) + 8 - (4)]
%pop
db %eval(1+2*3), %strlen("abc"), %count(a,b,c), %cond(1, 5, 6), %sel(2, 7, 8, 9), %isdef(nothing), %isnum(5), %isn(0)
db %str(a b), %substr("abcdef", 2, 3), %strcat("x", 'y')
%define quoted(&x) x
db quoted(abc)
dw __utf16__('abc'), 1
dd __utf32__("z"), __?utf16?__('ab')
dw __utf16be__('q')
times 3 times 2 db 1
times 0 db 5
%pathsearch where "name.inc"
db where
