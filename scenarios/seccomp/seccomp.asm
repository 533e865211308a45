; seccomp: a filter, and a tracer that changes the call behind its back
;
; The child may not call getppid: its filter makes that EPERM. It calls getpid, which it may, and its tracer makes a getppid of it. Whether the
; filter sees that depends on who comes first.

        bits 64
        global _start

SYS_getpid      equ 39
SYS_fork        equ 57
SYS_exit        equ 60
SYS_wait4       equ 61
SYS_kill        equ 62
SYS_ptrace      equ 101
SYS_getppid     equ 110
SYS_prctl       equ 157

PTRACE_TRACEME  equ 0
PTRACE_POKEUSR  equ 6
PTRACE_CONT     equ 7
PTRACE_SYSCALL  equ 24
ORIG_RAX        equ 15 * 8              ; in struct user
PR_SET_SECCOMP  equ 22
PR_SET_NO_NEW_PRIVS equ 38
SECCOMP_MODE_FILTER equ 2
SIGSTOP         equ 19

%macro  insn 4                          ; struct sock_filter: code, jt, jf, k
        dw      %1
        db      %2, %3
        dd      %4
%endmacro

        section .text
_start:
        mov     eax, SYS_fork
        syscall
        test    eax, eax
        jz      child
        mov     ebx, eax
        call    wait                    ; it has stopped itself
        mov     edi, PTRACE_SYSCALL
        call    request
        call    wait                    ; it is about to call getpid
        mov     edi, PTRACE_POKEUSR
        mov     edx, ORIG_RAX
        mov     r10d, SYS_getppid
        call    request2
        mov     edi, PTRACE_CONT
        call    request
        call    wait                    ; it has ended
        movzx   edi, byte [status + 1]
        mov     eax, SYS_exit
        syscall

request:
        xor     edx, edx
        xor     r10d, r10d
request2:
        mov     esi, ebx
        mov     eax, SYS_ptrace
        syscall
        ret
wait:
        mov     edi, ebx
        mov     esi, status
        xor     edx, edx
        xor     r10d, r10d
        mov     eax, SYS_wait4
        syscall
        ret

child:
        mov     edi, PR_SET_NO_NEW_PRIVS
        mov     esi, 1
        xor     edx, edx
        xor     r10d, r10d
        xor     r8d, r8d
        mov     eax, SYS_prctl
        syscall
        mov     edi, PR_SET_SECCOMP
        mov     esi, SECCOMP_MODE_FILTER
        mov     edx, program
        mov     eax, SYS_prctl
        syscall
        xor     edi, edi                ; PTRACE_TRACEME
        mov     eax, SYS_ptrace
        syscall
        mov     eax, SYS_getpid
        syscall
        mov     edi, eax
        mov     esi, SIGSTOP
        mov     eax, SYS_kill
        syscall
        mov     eax, SYS_getpid         ; or what the tracer makes of it
        syscall
        xor     edi, edi
        test    eax, eax
        sets    dil                     ; 1 = refused
        mov     eax, SYS_exit
        syscall

        section .data
        align   8
filter: insn    0x20, 0, 0, 0                   ; load the number
        insn    0x15, 0, 1, SYS_getppid         ; getppid?
        insn    0x06, 0, 0, 0x50000 | 1         ; return ERRNO, EPERM
        insn    0x06, 0, 0, 0x7fff0000          ; return ALLOW
filter_end:
program:
        dq      (filter_end - filter) / 8
        dq      filter

        section .bss
status: resd    1
