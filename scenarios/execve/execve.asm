; execve: a 64-bit program begins a 32-bit one
;
; SYSCALL comes in from 64-bit code, and the return of the same call goes to 32-bit code: SYSRET cannot do that. What the old program
; leaves behind is checked by the new one, second.asm: a signal that is still pending, a handler that is gone, a signal that is still
; ignored, and one of three descriptors.

        bits 64
        global _start

SYS_write       equ 1
SYS_rt_sigaction equ 13
SYS_rt_sigprocmask equ 14
SYS_dup2        equ 33
SYS_getpid      equ 39
SYS_execve      equ 59
SYS_exit        equ 60
SYS_kill        equ 62
SYS_pipe2       equ 293

SIGHUP          equ 1
SIGUSR1         equ 10
SIGUSR2         equ 12
SIG_IGN         equ 1
SIG_BLOCK       equ 0
SA_RESTORER     equ 0x04000000
O_CLOEXEC       equ 0x80000
KEPT            equ 100                 ; the descriptor that the new program finds

        section .text
_start:
        mov     eax, SYS_rt_sigaction
        mov     edi, SIGUSR1
        lea     rsi, [rel handling]
        xor     edx, edx
        mov     r10d, 8
        syscall                         ; a handler is an address in this program: it cannot stay
        mov     eax, SYS_rt_sigaction
        mov     edi, SIGHUP
        lea     rsi, [rel ignoring]
        xor     edx, edx
        mov     r10d, 8
        syscall                         ; to be ignored needs no address: that stays

        mov     eax, SYS_rt_sigprocmask
        mov     edi, SIG_BLOCK
        lea     rsi, [rel usr2]
        xor     edx, edx
        mov     r10d, 8
        syscall
        mov     eax, SYS_getpid
        syscall
        mov     edi, eax
        mov     esi, SIGUSR2
        mov     eax, SYS_kill
        syscall                         ; pending until somebody unblocks it

        mov     eax, SYS_pipe2
        lea     rdi, [rel pipe]
        mov     esi, O_CLOEXEC
        syscall
        mov     eax, SYS_dup2
        mov     edi, [rel pipe]
        mov     esi, KEPT
        syscall                         ; the copy does not close on exec
        mov     eax, SYS_write
        mov     edi, [rel pipe + 4]
        lea     rsi, [rel letter]
        mov     edx, letter_end - letter
        syscall

        mov     eax, SYS_execve
        lea     rdi, [rel path]
        lea     rsi, [rel argv]
        xor     edx, edx
        syscall                         ; Step Over: the next line is in second.asm

        mov     edi, eax                ; only an execve that failed comes here
        neg     edi
        mov     eax, SYS_exit
        syscall

handler:
        ret

        section .data
        align 8
handling:       dq handler, SA_RESTORER, handler, 0
ignoring:       dq SIG_IGN, 0, 0, 0
usr2:           dq 1 << (SIGUSR2 - 1)
argv:           dq path, 0
pipe:           dd 0, 0
path:           db "second", 0
letter:         db "from the 64-bit program"
letter_end:
