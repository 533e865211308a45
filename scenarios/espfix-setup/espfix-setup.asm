; espfix-setup: who sets up the espfix stacks, and when
;
; The program makes an LDT with a 16-bit stack segment, returns to it on the CPU where it is, moves to the other CPU, and returns to it
; there. Depending on the design the ministacks are there before any program, are made for all CPUs by modify_ldt, or for each CPU
; when it first loads an LDT.

        bits 64
        global _start

SYS_exit        equ 60
SYS_modify_ldt  equ 154
SYS_sched_setaffinity equ 203
SYS32_getpid    equ 20
USER32_CS       equ 0x23
USER_CS         equ 0x33
USER_DS         equ 0x2b
LDT_STACK       equ 0x07
PATTERN         equ 0x5afe0ff0

        section .text
_start:
        mov     eax, SYS_modify_ldt
        mov     edi, 0x11
        lea     rsi, [rel descriptor]
        mov     edx, 16
        syscall
        call    try
        mov     eax, SYS_sched_setaffinity
        xor     edi, edi
        mov     esi, 8
        lea     rdx, [rel second]
        syscall
        call    try
        xor     edi, edi
exit:   mov     eax, SYS_exit
        syscall

; a system call on the 16-bit stack, from 32-bit code
try:
        mov     [rel flat_stack], rsp
        push    USER32_CS
        lea     rax, [rel compat]
        push    rax
        retfq
        bits 32
compat: mov     eax, LDT_STACK
        mov     ss, eax
        mov     esp, PATTERN
        mov     eax, SYS32_getpid
        int     0x80
        mov     ebp, esp
        mov     eax, USER_DS
        mov     ss, eax
        jmp     USER_CS:.back
        bits 64
.back:  mov     rsp, [rel flat_stack]
        cmp     ebp, PATTERN
        jne     .lost
        ret
.lost:  mov     edi, 1
        jmp     exit

        section .data
                align 8
second:         dq 2                    ; CPU 1
descriptor:     dd 0, 0, 0xffff, 0
        section .bss
flat_stack:     resq 1
