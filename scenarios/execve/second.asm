; second: the 32-bit program that execve.asm begins
;
; A new address space with the 32-bit vDSO in it, registers that are zero, and what a process keeps over execve.

        bits 32
        global _start

SYS_exit        equ 1
SYS_read        equ 3
SYS_write       equ 4
SYS_getpid      equ 20
SYS_rt_sigaction equ 174
SYS_rt_sigprocmask equ 175
SYS_fcntl64     equ 221
SYS_sigreturn   equ 119

USER32_CS       equ 0x23
SIGHUP          equ 1
SIGUSR1         equ 10
SIGUSR2         equ 12
SIG_DFL         equ 0
SIG_IGN         equ 1
SIG_UNBLOCK     equ 1
SA_RESTORER     equ 0x04000000
F_GETFD         equ 1
EBADF           equ 9
AT_SYSINFO      equ 32
KEPT            equ 100
CLOSED          equ 3

        section .text
_start:
        mov     [stack], esp
        xor     ebp, ebp                ; each fact that does not hold adds a bit to the exit status
        mov     eax, cs
        cmp     eax, USER32_CS
        je      .1
        or      ebp, 1                  ; this is not 32-bit code
.1:
        mov     eax, SYS_fcntl64
        mov     ebx, CLOSED
        mov     ecx, F_GETFD
        int     0x80
        cmp     eax, -EBADF
        je      .2
        or      ebp, 2                  ; the pipe's first descriptor has not been closed
.2:
        call    receive
        cmp     eax, letter_size
        jne     .not_sent
        call    receive                 ; no writer is left: execve has closed it
        test    eax, eax
        jz      .3
.not_sent:
        or      ebp, 4
.3:
        mov     ebx, SIGUSR1
        mov     esi, SIG_DFL
        call    is_handled_by
        je      .4
        or      ebp, 8                  ; the old program's handler is still there
.4:
        mov     ebx, SIGHUP
        mov     esi, SIG_IGN
        call    is_handled_by
        je      .5
        or      ebp, 16                 ; SIGHUP is not ignored any more
.5:
        mov     eax, SYS_rt_sigaction
        mov     ebx, SIGUSR2
        mov     ecx, action
        xor     edx, edx
        mov     esi, 8
        int     0x80
        mov     eax, SYS_rt_sigprocmask
        mov     ebx, SIG_UNBLOCK
        mov     ecx, usr2
        xor     edx, edx
        mov     esi, 8
        int     0x80                    ; the signal that was sent before execve comes now
        cmp     dword [handled], SIGUSR2
        je      .6
        or      ebp, 32
.6:
        mov     eax, SYS_getpid
        int     0x80
        mov     edi, eax
        call    find_vsyscall
        mov     eax, SYS_getpid
        call    edx                     ; __kernel_vsyscall of the 32-bit vDSO
        cmp     eax, edi
        je      .7
        or      ebp, 64
.7:
        test    ebp, ebp
        jnz     .end
        mov     ecx, text
        mov     edx, text_end - text
        mov     ebx, 1
        mov     eax, SYS_write
        int     0x80
.end:   mov     ebx, ebp
        mov     eax, SYS_exit
        int     0x80

; bytes of the pipe's next message in eax
receive:
        mov     eax, SYS_read
        mov     ebx, KEPT
        mov     ecx, buffer
        mov     edx, buffer_size
        int     0x80
        ret

; ZF: signal ebx has the handler esi
is_handled_by:
        push    esi
        mov     eax, SYS_rt_sigaction
        xor     ecx, ecx
        mov     edx, buffer
        mov     esi, 8
        int     0x80
        pop     esi
        cmp     [buffer], esi
        ret

; AT_SYSINFO of the auxiliary vector in edx: where __kernel_vsyscall is
find_vsyscall:
        mov     esi, [stack]
        lodsd                           ; argc
        lea     esi, [esi + 4 * eax + 4]
.env:   lodsd
        test    eax, eax
        jnz     .env
.aux:   lodsd
        mov     edx, eax
        lodsd
        cmp     edx, AT_SYSINFO
        jne     .aux
        mov     edx, eax
        ret

; (int signr) on an i386 frame
handler:
        mov     eax, [esp + 4]
        mov     [handled], eax
        ret
restorer:
        pop     eax
        mov     eax, SYS_sigreturn
        int     0x80

        section .data
        align 4
action:         dd handler, SA_RESTORER, restorer, 0, 0
usr2:           dd 1 << (SIGUSR2 - 1), 0
letter_size     equ 23
text:           db "a 32-bit program, in the process of a 64-bit one", 10
text_end:

        section .bss
        alignb 4
stack:          resd 1
handled:        resd 1
buffer_size     equ 64
buffer:         resb buffer_size
