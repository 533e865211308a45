; exit-loop: the work before user mode, when entry code did it itself
;
; A 64-bit call with a reschedule, an end to be audited and a notifier to call, and then a 32-bit call of the same program. Up to Linux 4.2
; entry code tested the flags, called C for one item after the other, and noted in thread_info.status that a call is a 32-bit one.

        bits 64
        global _start

SYS_getpid      equ 39
SYS_exit        equ 60
SYS32_getpid    equ 20

        section .text
_start:
        mov     eax, SYS_getpid
        syscall
        mov     eax, SYS32_getpid
        int     0x80
        xor     edi, edi
        mov     eax, SYS_exit
        syscall
