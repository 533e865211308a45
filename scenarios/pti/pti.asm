; pti: what user mode finds where the kernel is
;
; A system call, INT 0x80, and a read of the kernel's direct map, which is SIGSEGV with and without page table isolation. The handler
; ends the program with the error code that it is shown: Linux says "protection violation" there whatever the page tables say.

        bits 64
        global _start

SYS_rt_sigaction equ 13
SYS_getpid      equ 39
SYS_exit        equ 60
SYS32_getpid    equ 20
SIGSEGV         equ 11
SA_SIGINFO      equ 4
SA_RESTORER     equ 0x04000000
DIRECT_MAP      equ 0xffff888000000000
UC_ERR          equ 40 + 19 * 8         ; ucontext: mcontext.err

        section .text
_start:
        mov     eax, SYS_rt_sigaction
        mov     edi, SIGSEGV
        lea     rsi, [rel action]
        xor     edx, edx
        mov     r10d, 8
        syscall
        mov     eax, SYS_getpid
        syscall
        mov     eax, SYS32_getpid
        int     0x80
        mov     rax, DIRECT_MAP
kernel_read:
        mov     rax, [rax]
        mov     edi, 99                 ; never reached
        mov     eax, SYS_exit
        syscall

handler:
        mov     edi, [rdx + UC_ERR]
        mov     eax, SYS_exit
        syscall

        section .data
action: dq      handler, SA_SIGINFO | SA_RESTORER, 0, 0
