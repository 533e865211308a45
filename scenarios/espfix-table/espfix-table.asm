; espfix-table: which bits of RSP survive a return through the kernel, for every size of code and stack segment
;
; A signal handler changes the saved CS, SS, RIP and RSP, and returns: the kernel's IRET loads them. At the target stands an INT3, whose
; handler finds in its frame what RSP was there. Three kinds of code (64, 32 and 16-bit) and three of stack (flat, 32 and 16-bit of the
; LDT), and for each: bits 31:16 and 63:32 of RSP, kept or not.
;
; The same file runs on a real Linux: ringside asm espfix-table.asm -o table && ./table

        bits 64
        global _start

SYS_write       equ 1
SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_exit        equ 60
SYS_sigaltstack equ 131
SYS_modify_ldt  equ 154
SIGTRAP         equ 5
SA_ONSTACK      equ 0x08000000
SA_RESTORER     equ 0x04000000
SA_SIGINFO      equ 4

USER32_CS       equ 0x23
USER_DS         equ 0x2b
USER_CS         equ 0x33
LDT_CODE32      equ 0x07
LDT_CODE16      equ 0x0f
LDT_STACK32     equ 0x17
LDT_STACK16     equ 0x1f

; offsets in ucontext_t
UC_RSP          equ 160
UC_RIP          equ 168
UC_CS           equ 184
UC_SS           equ 190

PATTERN         equ 0x12345afe1230      ; bits 63:32 = 1234, bits 31:16 = 5afe

        section .text
_start:
        mov     [rel flat_stack], rsp
        lea     rbx, [rel descriptors]
        mov     ebp, 4
.descriptor:
        mov     eax, SYS_modify_ldt
        mov     edi, 1
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
        mov     eax, SYS_rt_sigaction
        mov     edi, SIGTRAP
        lea     rsi, [rel action]
        xor     edx, edx
        mov     r10d, 8
        syscall

        lea     rax, [rel rows]
        mov     [rel row], rax
next:
        int3                            ; its handler returns to the row's target instead
resume:
        call    report
        add     qword [rel row], 48
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

; in any mode, on any stack: back to the handler at once
target:
        int3

; rdx = ucontext. Every register is restored from it, so all may be used.
handler:
        cmp     dword [rel phase], 0
        jne     .arrived
        mov     dword [rel phase], 1
        mov     rsi, [rel row]
        mov     ax, [rsi]
        mov     [rdx + UC_CS], ax
        mov     ax, [rsi + 2]
        mov     [rdx + UC_SS], ax
        mov     rax, [rsi + 8]
        mov     [rdx + UC_RIP], rax
        mov     rax, PATTERN
        mov     [rdx + UC_RSP], rax
        ret
.arrived:
        mov     dword [rel phase], 0
        mov     rax, [rdx + UC_RSP]
        mov     [rel seen], rax
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

; one line of the table
report:
        mov     rsi, [rel row]
        add     rsi, 16
        lea     rdi, [rel line]
        mov     ecx, 32
        rep movsb
        mov     rbx, [rel seen]
        mov     rax, PATTERN
        lea     rsi, [rel kept]
        xor     rax, rbx
        test    eax, 0xffff0000
        jz      .low
        lea     rsi, [rel kernels]
.low:   lea     rdi, [rel line.low]
        mov     ecx, 9
        rep movsb
        lea     rsi, [rel kept]
        shr     rax, 32
        jz      .high
        lea     rsi, [rel zero]
        shr     rbx, 32
        jz      .high
        lea     rsi, [rel kernels]
.high:  lea     rdi, [rel line.high]
        mov     ecx, 9
        rep movsb
        mov     eax, SYS_write
        mov     edi, 1
        lea     rsi, [rel line]
        mov     edx, line_end - line
        syscall
        ret

        section .data
kept:           db "kept     "
zero:           db "zero     "
kernels:        db "kernel's "
line:           times 32 db ' '
                db "31:16 "
.low:           db "         63:32 "
.high:          db "         ", 10
line_end:

        align 8
; struct user_desc: entry, base, limit, flags (32-bit = 1, code = 4, limit in pages = 0x10, useable = 0x40)
descriptors:    dd 0, target, 0xfff, 0x45
                dd 1, target, 0xfff, 0x44
                dd 2, 0, 0xfffff, 0x51
                dd 3, 0, 0xffff, 0x40
altstack:       dq handler_stack, 0, 16384
action:         dq handler, SA_ONSTACK | SA_RESTORER | SA_SIGINFO, restorer, 0

%macro case 4
        dw      %1, %2, 0, 0
        dq      %3
%%name: db      %4
        times 32 - ($ - %%name) db ' '
%endmacro
        align 8
rows:   case    USER_CS, USER_DS, target, "64-bit code, flat stack"
        case    USER_CS, LDT_STACK32, target, "64-bit code, 32-bit stack"
        case    USER_CS, LDT_STACK16, target, "64-bit code, 16-bit stack"
        case    USER32_CS, USER_DS, target, "32-bit code, flat stack"
        case    USER32_CS, LDT_STACK32, target, "32-bit code, 32-bit stack"
        case    USER32_CS, LDT_STACK16, target, "32-bit code, 16-bit stack"
        case    LDT_CODE32, LDT_STACK16, 0, "32-bit LDT code, 16-bit stack"
        case    LDT_CODE16, USER_DS, 0, "16-bit code, flat stack"
        case    LDT_CODE16, LDT_STACK32, 0, "16-bit code, 32-bit stack"
        case    LDT_CODE16, LDT_STACK16, 0, "16-bit code, 16-bit stack"
rows_end:

        section .bss
        alignb 16
flat_stack:     resq 1
row:            resq 1
seen:           resq 1
phase:          resd 1
                alignb 16
handler_stack:  resb 16384
