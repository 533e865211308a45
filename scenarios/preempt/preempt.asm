; preempt: an interrupt that returns into the kernel, and schedules there
;
; The program forks. The parent makes a system call by INT 0x80, and in the middle of it, by the scenario's launch settings, its time is
; up and an interrupt comes. Where the kernel may be preempted, the child runs before the interrupt has returned; otherwise it waits
; until the parent is on its way back to user mode.

        bits 64
        global _start

SYS_fork        equ 57
SYS_exit        equ 60
SYS_wait4       equ 61
SYS32_getpid    equ 20

        section .text
_start:
        mov     eax, SYS_fork
        syscall
        test    eax, eax
        jz      child
        mov     eax, SYS32_getpid
        int     0x80
        mov     edi, -1
        xor     esi, esi
        xor     edx, edx
        xor     r10d, r10d
        mov     eax, SYS_wait4
        syscall
child:
        xor     edi, edi
        mov     eax, SYS_exit
        syscall
