; espfix: what becomes of ESP[31:16] when the kernel returns to a 16-bit stack segment
;
; IRET to a stack segment whose B bit is 0 restores SP only. The upper half of ESP keeps what the kernel had there: part of a
; kernel stack address. espfix hides that: the kernel does the IRET from a ministack whose own address bits 31:16 equal the user's.
;
; Step through it: set a breakpoint on an `int 0x80`, switch "step into kernel" on, and follow the way out to native_irq_return_ldt.

        bits 64
        global _start

SYS_modify_ldt  equ 154
SYS_write       equ 1
SYS_exit        equ 60
SYS32_getpid    equ 20
SYS32_sigreturn equ 119
SYS32_rt_sigaction equ 174
SYS32_sigaltstack  equ 186
SIGTRAP         equ 5
SA_ONSTACK      equ 0x08000000
SA_RESTORER     equ 0x04000000

USER32_CS       equ 0x23
USER_DS         equ 0x2b
USER_CS         equ 0x33
LDT_STACK       equ 0x07                ; entry 0 of the LDT, RPL 3

PATTERN         equ 0x5afe0ff0          ; SP = 0x0ff0; the upper half must survive

        section .text
_start:
        mov     [rel flat_stack], rsp
        ; 1. entry 0 of the LDT: 16-bit data, base at our buffer, limit 0xffff
        mov     eax, SYS_modify_ldt
        mov     edi, 1                  ; write
        lea     rsi, [rel descriptor]
        mov     edx, 16
        syscall
        test    eax, eax
        jnz     failed

        ; 2. a far return to 32-bit code, where SS.B matters
        push    USER32_CS
        lea     rax, [rel compat]
        push    rax
        retfq

        bits 32
compat:
        mov     eax, USER_DS            ; a 64-bit program starts with null data segments
        mov     ds, eax
        mov     es, eax
        mov     eax, SYS32_sigaltstack  ; a handler cannot run on the 16-bit stack: give it one of its own
        mov     ebx, altstack
        xor     ecx, ecx
        int     0x80
        mov     eax, SYS32_rt_sigaction
        mov     ebx, SIGTRAP
        mov     ecx, action
        xor     edx, edx
        mov     esi, 8
        int     0x80

        mov     eax, LDT_STACK
        mov     ss, eax
        mov     esp, PATTERN
        mov     eax, SYS32_getpid
        int     0x80                    ; in by a gate, out by IRET: SS is in the LDT
        mov     [after_syscall], esp

        mov     esp, PATTERN
        int3                            ; SIGTRAP: its handler comes back through sigreturn
        mov     [after_signal], esp

        mov     eax, USER_DS            ; the flat stack again
        mov     ss, eax
        jmp     USER_CS:report

handler:
        ret                             ; to the restorer
restorer:
        pop     eax                     ; the signal number: sigreturn looks for its frame below it
        mov     eax, SYS32_sigreturn
        int     0x80

        bits 64
report:
        mov     rsp, [rel flat_stack]
        lea     rdi, [rel line1.digits]
        mov     eax, [rel after_syscall]
        call    hex
        lea     rdi, [rel line2.digits]
        mov     eax, [rel after_signal]
        call    hex
        mov     eax, SYS_write
        mov     edi, 1
        lea     rsi, [rel text]
        mov     edx, text_end - text
        syscall
        xor     edi, edi
        cmp     dword [rel after_syscall], PATTERN
        jne     .leaked
        cmp     dword [rel after_signal], PATTERN
        je      exit
.leaked:
        mov     edi, 1
exit:
        mov     eax, SYS_exit
        syscall
failed:
        mov     edi, 2
        jmp     exit

; eax as eight digits at rdi
hex:
        mov     ecx, 8
.digit: rol     eax, 4
        mov     edx, eax
        and     edx, 15
        cmp     dl, 10
        jb      .put
        add     dl, 'a' - '0' - 10
.put:   add     dl, '0'
        mov     [rdi], dl
        inc     rdi
        dec     ecx
        jnz     .digit
        ret

        section .data
text:           db "ESP before:              5afe0ff0", 10
line1:          db "ESP after int 0x80:      "
.digits:        db "........", 10
line2:          db "ESP after a signal:      "
.digits:        db "........", 10
text_end:

        align 4
descriptor:     dd 0                    ; struct user_desc: entry 0
                dd stack16              ; base
                dd 0xffff               ; limit
                dd 0x50                 ; 16-bit data, byte limit, useable
altstack:       dd handler_stack, 0, 16384
action:         dd handler, SA_ONSTACK | SA_RESTORER, restorer, 0, 0

        section .bss
        alignb 16
flat_stack:     resq 1
after_syscall:  resd 1
after_signal:   resd 1
                alignb 16
handler_stack:  resb 16384
stack16:        resb 65536
