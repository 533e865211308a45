; A stack machine's interpreter with a dispatch table; the program it runs is data made by macros.
bits 64
default rel
%macro  operation 2
  %assign op_%1 op_count
  %assign op_count op_count + 1
  %xdefine op_list op_list, %2
%endmacro
%assign op_count 0
%define op_list 0
operation push, do_push
operation add, do_add
operation mul, do_mul
operation exit, do_exit
%imacro instr 1-2
        db op_%1
  %if %0 > 1
        db %2
  %endif
%endmacro
section .data align=8
        dq op_list
handlers equ $ - 8 * op_count
code:   INSTR push, 6
        INSTR push, 2
        INSTR push, 5
        INSTR add
        INSTR mul
        INSTR exit
section .text
global _start
_start: lea rsi, [code]
        lea rbx, [handlers]
dispatch:
        xor eax, eax
        lodsb
        jmp [rbx + rax*8]
do_push: lodsb
        push rax
        jmp dispatch
do_add: pop rax
        add [rsp], rax
        jmp dispatch
do_mul: pop rax
        pop rdx
        imul rax, rdx
        push rax
        jmp dispatch
do_exit: pop rdi
        mov eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
