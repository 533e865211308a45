; mixed-mode: one task, two instruction sets, two system-call tables
;
; A 64-bit program jumps to 32-bit code by loading __USER32_CS. Which table a system call uses is decided by how the kernel was
; entered, not by what the task is: TS_COMPAT is set for each int 0x80 and clear for each syscall. A handler installed through
; int 0x80 gets the i386 frame. At the end the 64-bit vDSO is swapped for the 32-bit one, and called.

        bits 64
        global _start

SYS_write       equ 1
SYS_munmap      equ 11
SYS_getpid      equ 39
SYS_exit        equ 60
SYS_arch_prctl  equ 158
SYS32_getpid    equ 20
SYS32_kill      equ 37
SYS32_sigreturn equ 119
SYS32_rt_sigaction equ 174

ARCH_MAP_VDSO_32 equ 0x2002
AT_SYSINFO_EHDR equ 33
EEXIST          equ 17
SIGUSR1         equ 10
SA_RESTORER     equ 0x04000000

USER32_CS       equ 0x23
USER_DS         equ 0x2b
USER_CS         equ 0x33
PAGE            equ 4096
NEW_VDSO        equ 0x10000000
%ifndef VVAR_PAGES
%define VVAR_PAGES 4                    ; data pages below the image: 4 in Linux 6.1, 6 since 6.13
%endif
E_ENTRY         equ 0x18                ; in the ELF header: the 32-bit vDSO's entry is __kernel_vsyscall

        section .text
_start:
        mov     [rel stack64], rsp
        call    find_vdso
        mov     eax, SYS_getpid
        syscall                         ; the x86-64 table
        mov     [rel pid64], eax
        lea     rsp, [rel stack_top]    ; a stack that 32-bit code can reach
        jmp     dword far [rel to_compat]

        bits 32
compat:
        mov     eax, USER_DS
        mov     ds, eax
        mov     es, eax
        mov     eax, SYS32_getpid
        int     0x80                    ; the i386 table, and TS_COMPAT while it runs
        mov     [pid32], eax

        mov     eax, SYS32_rt_sigaction
        mov     ebx, SIGUSR1
        mov     ecx, action
        xor     edx, edx
        mov     esi, 8
        int     0x80
        mov     eax, SYS32_kill
        mov     ebx, [pid32]
        mov     ecx, SIGUSR1
        int     0x80                    ; the handler runs before this returns
        jmp     USER_CS:native

; (int signr) on an i386 frame: the arguments are on the stack
handler:
        mov     eax, [esp + 4]
        mov     [handled], eax
        mov     eax, cs
        mov     [handler_cs], eax
        ret
restorer:
        pop     eax
        mov     eax, SYS32_sigreturn
        int     0x80

        bits 64
native:
        mov     rsp, [rel stack64]
        call    map_vdso_32             ; a vDSO is still mapped
        mov     [rel first_try], eax

        mov     rdi, [rel vdso]         ; the old one goes: its data pages lie right below it
        sub     rdi, VVAR_PAGES * PAGE
        mov     esi, (VVAR_PAGES + 2) * PAGE
        mov     eax, SYS_munmap
        syscall
        call    map_vdso_32
        mov     [rel second_try], eax

        lea     rsp, [rel stack_top]
        jmp     dword far [rel to_vsyscall]

        bits 32
vsyscall:
        mov     ebx, NEW_VDSO + VVAR_PAGES * PAGE
        mov     eax, SYS32_getpid
        mov     ecx, [ebx + E_ENTRY]
        add     ecx, ebx
        call    ecx                     ; __kernel_vsyscall: SYSENTER where the processor has it
        mov     [pid_vdso], eax
        jmp     USER_CS:report

        bits 64
map_vdso_32:
        mov     eax, SYS_arch_prctl
        mov     edi, ARCH_MAP_VDSO_32
        mov     esi, NEW_VDSO
        syscall
        ret

; the vDSO's address from the auxiliary vector, which follows argv and the environment
find_vdso:
        mov     rsi, [rel stack64]
        mov     rax, [rsi]              ; argc
        lea     rsi, [rsi + 8 * rax + 16]
.env:   lodsq
        test    rax, rax
        jnz     .env
.aux:   lodsq
        mov     rdx, rax
        lodsq
        cmp     rdx, AT_SYSINFO_EHDR
        jne     .aux
        mov     [rel vdso], rax
        ret

; each fact that does not hold adds a bit to the exit status
report:
        mov     rsp, [rel stack64]
        xor     ebx, ebx
        mov     eax, [rel pid64]
        cmp     eax, [rel pid32]
        setne   bl                      ; 1: the tables gave different answers
        cmp     eax, [rel pid_vdso]
        je      .1
        or      ebx, 2                  ; the new vDSO did not work
.1:     cmp     dword [rel handled], SIGUSR1
        je      .2
        or      ebx, 4                  ; no handler ran
.2:     cmp     dword [rel handler_cs], USER32_CS
        je      .3
        or      ebx, 8                  ; it ran as 64-bit code
.3:     cmp     dword [rel first_try], -EEXIST
        je      .4
        or      ebx, 16                 ; two vDSOs at once
.4:     cmp     dword [rel second_try], 0
        jg      .5
        or      ebx, 32                 ; no new vDSO
.5:     test    ebx, ebx
        jnz     .end
        mov     eax, SYS_write
        mov     edi, 1
        lea     rsi, [rel text]
        mov     edx, text_end - text
        syscall
.end:   mov     edi, ebx
        mov     eax, SYS_exit
        syscall

        section .data
to_compat:      dd compat
                dw USER32_CS
to_vsyscall:    dd vsyscall
                dw USER32_CS
        align 4
action:         dd handler, SA_RESTORER, restorer, 0, 0
text:           db "64-bit and 32-bit code, two tables, one task", 10
text_end:

        section .bss
        alignb 16
stack64:        resq 1
vdso:           resq 1
pid64:          resd 1
pid32:          resd 1
pid_vdso:       resd 1
handled:        resd 1
handler_cs:     resd 1
first_try:      resd 1
second_try:     resd 1
        alignb 16
                resb 16384
stack_top:
