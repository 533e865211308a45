; sysret: the six conditions of opportunistic SYSRET, each failing once
;
; SYSRET is faster than IRET but restores less: rip comes from rcx, the flags from r11, and the segments are the flat ones. A signal
; handler changes one thing in what sigreturn will restore, so that exactly one of the conditions fails; the way out of that sigreturn
; is by IRET. The first sigreturn changes nothing: that one is by SYSRET.

        bits 64
        global _start

SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_getpid      equ 39
SYS_exit        equ 60
SYS_kill        equ 62
SYS_sigaltstack equ 131
SYS_modify_ldt  equ 154
SIGTRAP         equ 5
SIGUSR1         equ 10
SIGSEGV         equ 11
SA_ONSTACK      equ 0x08000000
SA_RESTORER     equ 0x04000000
SA_SIGINFO      equ 4
USER32_CS       equ 0x23
USER_DS         equ 0x2b
USER_CS         equ 0x33
LDT_STACK       equ 0x07

; offsets in ucontext_t
UC_R11          equ 64
UC_RCX          equ 152
UC_RSP          equ 160
UC_RIP          equ 168
UC_FLAGS        equ 176
UC_CS           equ 184
UC_SS           equ 190

        section .text
_start:
        mov     [rel flat_stack], rsp
        mov     eax, SYS_modify_ldt
        mov     edi, 0x11
        lea     rsi, [rel descriptor]
        mov     edx, 16
        syscall
        mov     eax, SYS_sigaltstack
        lea     rdi, [rel altstack]
        xor     esi, esi
        syscall
        lea     rbx, [rel signals]
.signal:
        mov     edi, [rbx]
        mov     eax, SYS_rt_sigaction
        lea     rsi, [rel action]
        xor     edx, edx
        mov     r10d, 8
        syscall
        add     rbx, 4
        cmp     dword [rbx], 0
        jne     .signal
        mov     eax, SYS_getpid
        syscall
        mov     [rel pid], eax

        lea     r12, [rel changes]
next:
        mov     eax, SYS_kill           ; rcx and r11 are what SYSCALL leaves: rip and the flags
        mov     edi, [rel pid]
        mov     esi, SIGUSR1
        syscall
resume:
        mov     rsp, [rel flat_stack]
        add     r12, 8
        lea     rax, [rel changes_end]
        cmp     r12, rax
        jb      next
        xor     edi, edi
        mov     eax, SYS_exit
        syscall

; edi = signal, rdx = ucontext
handler:
        cmp     edi, SIGUSR1
        jne     .back
        mov     rax, [r12]
        jmp     rax
; a fault or a trap at the target: back to the flat state
.back:  mov     word [rdx + UC_CS], USER_CS
        mov     word [rdx + UC_SS], USER_DS
        lea     rax, [rel resume]
        mov     [rdx + UC_RIP], rax
        and     qword [rdx + UC_FLAGS], ~0x10100
        mov     rax, [rel flat_stack]
        mov     [rdx + UC_RSP], rax
nothing:
        ret
other_rcx:
        mov     qword [rdx + UC_RCX], 5
        ret
not_canonical:
        mov     rax, 0x800000000000
        mov     [rdx + UC_RIP], rax
        mov     [rdx + UC_RCX], rax
        ret
other_cs:
        mov     word [rdx + UC_CS], USER32_CS
        lea     rax, [rel trap]
        mov     [rdx + UC_RIP], rax
        mov     [rdx + UC_RCX], rax
        ret
other_r11:
        mov     qword [rdx + UC_R11], 0x203
        ret
single_step:
        or      qword [rdx + UC_FLAGS], 0x100
        mov     rax, [rdx + UC_FLAGS]
        mov     [rdx + UC_R11], rax
        ret
other_ss:
        mov     word [rdx + UC_SS], LDT_STACK
        ret
trap:   int3
restorer:
        mov     eax, SYS_rt_sigreturn
        syscall

        section .data
        align 8
changes:        dq nothing, other_rcx, not_canonical, other_cs, other_r11, single_step, other_ss
changes_end:
altstack:       dq handler_stack, 0, 16384
action:         dq handler, SA_ONSTACK | SA_RESTORER | SA_SIGINFO, restorer, 0
signals:        dd SIGUSR1, SIGTRAP, SIGSEGV, 0
descriptor:     dd 0, 0, 0xffff, 0
        section .bss
        alignb 16
flat_stack:     resq 1
pid:            resd 1
                alignb 16
handler_stack:  resb 16384
