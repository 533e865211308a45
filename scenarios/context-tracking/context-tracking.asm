; context-tracking: who knows that this is the kernel?
;
; With TIF_NOHZ set, the kernel keeps a variable of each CPU up to date that says whether it runs user mode. The scenario's launch settings
; set the flag, and two others that ask for work on the way out. Watch context_tracking in the per-CPU area.

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
