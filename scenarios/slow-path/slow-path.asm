; slow-path: a system call that somebody watches, and that still leaves by SYSRET
;
; ptrace, seccomp and audit take a system call off the fast path. That used to mean IRET. Since the conditions of SYSRET are asked at
; the end, whatever the path was, it means IRET only if somebody has really changed something.

        bits 64
        global _start

SYS_getpid      equ 39
SYS_exit        equ 60

        section .text
_start:
        mov     eax, SYS_getpid
        syscall
        mov     eax, SYS_getpid
        syscall
        xor     edi, edi
        mov     eax, SYS_exit
        syscall
