; pti: what user mode finds where the kernel is
;
; A system call, INT 0x80, and a read of the kernel's direct map, which is SIGSEGV with and without page table isolation. The program
; ends with the error code that its handler is shown: Linux says "protection violation" there whatever the page tables say.

        bits 64
        global _start

SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_getpid      equ 39
SYS_exit        equ 60
SYS32_getpid    equ 20
SIGSEGV         equ 11
SA_SIGINFO      equ 4
SA_RESTORER     equ 0x04000000
DIRECT_MAP      equ 0xffff888000000000
UC_RAX          equ 40 + 13 * 8         ; ucontext: mcontext.rax
UC_ERR          equ 40 + 19 * 8

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
        mov     edi, [rel error]
        mov     eax, SYS_exit
        syscall

handler:
        mov     eax, [rdx + UC_ERR]
        mov     [rel error], eax
        lea     rax, [rel error]
        mov     [rdx + UC_RAX], rax     ; the read is tried again, of what may be read
        ret

restore:
        mov     eax, SYS_rt_sigreturn
        syscall

        section .data
action: dq      handler, SA_SIGINFO | SA_RESTORER, restore, 0
error:  dd      0
