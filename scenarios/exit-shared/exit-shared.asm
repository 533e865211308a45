; exit-shared: one way out that asks about SYSRET on every exit
;
; A system call with something to do, and two page faults. The first fault is at the very instruction that a system call returned to:
; rcx is rip, by no accident at all, and the second of SYSRET's questions that could tell is whether r11 is the flags: the processor
; sets RF in what a fault saves. The second fault is a few instructions later.

        bits 64
        global _start

SYS_getpid      equ 39
SYS_exit        equ 60

        section .text
_start:
        mov     eax, SYS_getpid
        syscall
        mov     eax, [rel first]
        xor     ecx, ecx
        mov     eax, [rel second]
        xor     edi, edi
        mov     eax, SYS_exit
        syscall

        section .bss
        alignb 4096
first:          resb 4096
second:         resb 4096
