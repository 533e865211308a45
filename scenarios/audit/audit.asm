; audit: a system call that nothing but audit watches
;
; Up to Linux 4.0 such a call had a fast path of its own: entry code called audit itself, before and after. The thread about the exit paths
; calls it "quite buggy", and adds that no one who looks at this code cares about audit. The scenario's launch settings set the flag.

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
