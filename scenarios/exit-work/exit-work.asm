; exit-work: everything there is to do on the way back to user mode, each thing asked for by its flag
;
; The scenario's launch settings set flags in thread_info, at the first system call's entry, for things that nobody else here asks for
; (uprobes, live patching, user-return notifiers, audit). Watch thread_info.flags: each item clears the flag that asked for it.

        bits 64
        global _start

SYS_getpid      equ 39
SYS_exit        equ 60

        section .text
_start:
        mov     eax, SYS_getpid
        syscall
        mov     eax, SYS_getpid         ; nothing is left to do now
        syscall
        xor     edi, edi
        mov     eax, SYS_exit
        syscall
