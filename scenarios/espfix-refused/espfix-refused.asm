; espfix-refused: returns to user mode that the processor refuses
;
; A signal handler changes the saved CS, SS or RIP to something that IRET does not accept, and returns. The kernel's IRET faults; the
; kernel makes a signal of that, as if the program had faulted. What the signal says depends on where the IRET stood: on the espfix
; ministack the cause is lost, and everything becomes #GP(0).
;
; The same file runs on a real Linux: ringside asm espfix-refused.asm -o refused && ./refused

        bits 64
        global _start

SYS_write       equ 1
SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_exit        equ 60
SYS_sigaltstack equ 131
SYS_modify_ldt  equ 154
SIGTRAP         equ 5
SIGBUS          equ 7
SIGSEGV         equ 11
SA_ONSTACK      equ 0x08000000
SA_RESTORER     equ 0x04000000
SA_SIGINFO      equ 4

USER32_CS       equ 0x23
USER_DS         equ 0x2b
USER_CS         equ 0x33
LDT_STACK16     equ 0x07
LDT_ABSENT      equ 0x0f                ; a stack segment that is not present

; offsets in ucontext_t
UC_RSP          equ 160
UC_RIP          equ 168
UC_CS           equ 184
UC_SS           equ 190
UC_ERR          equ 192
UC_TRAPNO       equ 200

        section .text
_start:
        mov     [rel flat_stack], rsp
        lea     rbx, [rel descriptors]
        mov     ebp, 2
.descriptor:
        mov     eax, SYS_modify_ldt
        mov     edi, 0x11
        mov     rsi, rbx
        mov     edx, 16
        syscall
        test    eax, eax
        jnz     failed
        add     rbx, 16
        dec     ebp
        jnz     .descriptor
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

        lea     rax, [rel rows]
        mov     [rel row], rax
next:
        int3                            ; its handler returns to the row's target instead
resume:
        call    report
        add     qword [rel row], 56
        lea     rax, [rel rows_end]
        cmp     [rel row], rax
        jb      next
        xor     edi, edi
exit:
        mov     eax, SYS_exit
        syscall
failed:
        mov     edi, 2
        jmp     exit

; edi = signal, rdx = ucontext. Every register is restored from it, so all may be used.
handler:
        cmp     edi, SIGTRAP
        jne     .refused
        mov     rsi, [rel row]
        mov     ax, [rsi]
        mov     [rdx + UC_CS], ax
        mov     ax, [rsi + 2]
        mov     [rdx + UC_SS], ax
        mov     rax, [rsi + 8]
        mov     [rdx + UC_RIP], rax
        mov     qword [rdx + UC_RSP], 0x5afe1230
        ret
.refused:
        mov     [rel signal], edi
        mov     eax, [rdx + UC_TRAPNO]
        mov     [rel trap], eax
        mov     eax, [rdx + UC_ERR]
        mov     [rel error], eax
        mov     word [rdx + UC_CS], USER_CS
        mov     word [rdx + UC_SS], USER_DS
        lea     rax, [rel resume]
        mov     [rdx + UC_RIP], rax
        mov     rax, [rel flat_stack]
        mov     [rdx + UC_RSP], rax
        ret
restorer:
        mov     eax, SYS_rt_sigreturn
        syscall

report:
        mov     rsi, [rel row]
        add     rsi, 16
        lea     rdi, [rel line]
        mov     ecx, 40
        rep movsb
        mov     eax, [rel signal]
        lea     rdi, [rel line.signal]
        call    two
        mov     eax, [rel trap]
        lea     rdi, [rel line.trap]
        call    two
        mov     eax, [rel error]
        lea     rdi, [rel line.error]
        call    two
        mov     eax, SYS_write
        mov     edi, 1
        lea     rsi, [rel line]
        mov     edx, line_end - line
        syscall
        ret

; al as two hexadecimal digits at rdi
two:
        mov     cl, al
        shr     al, 4
        call    .digit
        mov     al, cl
        and     al, 15
.digit: add     al, '0'
        cmp     al, '9' + 1
        jb      .put
        add     al, 'a' - '0' - 10
.put:   mov     [rdi], al
        inc     rdi
        ret

        section .data
line:           times 40 db ' '
                db "signal "
.signal:        db ".. vector "
.trap:          db ".. error "
.error:         db "..", 10
line_end:
        align 8
; struct user_desc: entry, base, limit, flags (32-bit = 1, not present = 0x20, useable = 0x40)
descriptors:    dd 0, 0, 0xffff, 0
                dd 1, 0, 0xffff, 0x20
altstack:       dq handler_stack, 0, 16384
action:         dq handler, SA_ONSTACK | SA_RESTORER | SA_SIGINFO, restorer, 0
signals:        dd SIGTRAP, SIGBUS, SIGSEGV, 0

%macro case 4
        dw      %1, %2, 0, 0
        dq      %3
%%name: db      %4
        times 40 - ($ - %%name) db ' '
%endmacro
NONCANONICAL    equ 0x800000000000
        align 8
rows:   case    LDT_STACK16, USER_DS, 0, "bad CS"
        case    LDT_STACK16, LDT_STACK16, 0, "bad CS, LDT stack"
        case    USER_CS, 0x13, 0, "bad SS"
        case    USER32_CS, 0xfff7, 0, "bad SS, beyond the LDT"
        case    USER32_CS, LDT_ABSENT, 0, "SS not present"
        case    USER_CS, USER_DS, NONCANONICAL, "RIP not canonical"
        case    USER_CS, LDT_STACK16, NONCANONICAL, "RIP not canonical, LDT stack"
rows_end:

        section .bss
        alignb 16
flat_stack:     resq 1
row:            resq 1
signal:         resd 1
trap:           resd 1
error:          resd 1
                alignb 16
handler_stack:  resb 16384
