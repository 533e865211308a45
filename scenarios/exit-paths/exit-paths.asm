; exit-paths: the four ways out of the kernel, and an NMI in each of the other three
;
; A system call, an exception, and, by the scenario's launch settings: a machine check inside the kernel, which returns to it by the
; paranoid way; NMIs on each of these ways out; and an NMI inside an NMI, which a machine check in the first one's handler lets in.

        bits 64
        global _start

SYS_getpid      equ 39
SYS_exit        equ 60

        section .text
_start:
        mov     eax, SYS_getpid
        syscall
        mov     rax, [rel data]         ; a page that is not there yet
        mov     eax, SYS_getpid
        syscall
        xor     edi, edi
        mov     eax, SYS_exit
        syscall

        section .bss
        alignb 4096
data:           resb 4096
