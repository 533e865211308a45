; vm86: a real-mode program inside a 32-bit task
;
; vm86(2) enters v8086 mode. Out of it lead: an INT whose number the caller wants to see (VM86_INTx), STI with a virtual interrupt
; pending (VM86_STI), an instruction that the kernel does not emulate (VM86_UNKNOWN), and a fault that becomes a signal (VM86_SIGNAL).

        bits 32
        global _start

SYS_exit        equ 1
SYS_write       equ 4
SYS_mmap2       equ 192
SYS_sigreturn   equ 119
SYS_vm86        equ 166
SYS_rt_sigaction equ 174

VM86_ENTER      equ 1
VM86_SIGNAL     equ 0
VM86_UNKNOWN    equ 1
VM86_INTx       equ 2
VM86_STI        equ 3

EFLAGS_IF       equ 0x200
EFLAGS_VIP      equ 0x100000
SIGILL          equ 4
SA_RESTORER     equ 0x04000000
PROT_RWX        equ 7
MAP_FIXED_PRIVATE_ANON equ 0x32
DOS_SEGMENT     equ 0x1000              ; linear 0x10000: the lowest that mmap_min_addr leaves
DOS_LINEAR      equ DOS_SEGMENT * 16

struc vm86plus
.ebx:           resd 1
.ecx:           resd 1
.edx:           resd 1
.esi:           resd 1
.edi:           resd 1
.ebp:           resd 1
.eax:           resd 1
                resd 4                  ; unused: ds es fs gs of an ordinary frame
.orig_eax:      resd 1
.eip:           resd 1
.cs:            resd 1
.eflags:        resd 1
.esp:           resd 1
.ss:            resd 1
.es:            resd 1
.ds:            resd 1
.fs:            resd 1
.gs:            resd 1
.flags:         resd 1
.screen_bitmap: resd 1
.cpu_type:      resd 1
.int_revectored: resb 32                ; a bit a vector: 1 = come out with VM86_INTx
.int21_revectored: resb 32
.plus:          resd 1
.plus_tab:      resb 32
endstruc

        section .text
_start:
        mov     eax, SYS_mmap2
        mov     ebx, DOS_LINEAR
        mov     ecx, 0x10000
        mov     edx, PROT_RWX
        mov     esi, MAP_FIXED_PRIVATE_ANON
        mov     edi, -1
        xor     ebp, ebp
        int     0x80
        cmp     eax, DOS_LINEAR
        jne     failed

        mov     esi, dos                ; the real-mode program goes there
        mov     edi, DOS_LINEAR
        mov     ecx, dos_end - dos
        rep movsb

        mov     eax, SYS_rt_sigaction
        mov     ebx, SIGILL
        mov     ecx, action
        xor     edx, edx
        mov     esi, 8
        int     0x80

        mov     dword [vm + vm86plus.cs], DOS_SEGMENT
        mov     dword [vm + vm86plus.ds], DOS_SEGMENT
        mov     dword [vm + vm86plus.ss], DOS_SEGMENT
        mov     dword [vm + vm86plus.esp], 0xfffe
        mov     dword [vm + vm86plus.eflags], EFLAGS_IF
        bts     dword [vm + vm86plus.int_revectored], 0x21

        ; 1. INT 21h comes out: print the string at DS:DX up to '$', as DOS would
        call    enter_vm86
        cmp     eax, VM86_INTx | 0x21 << 8
        mov     ebx, 1
        jne     exit
        call    print_dollar_string

        ; 2. CLI is emulated inside; then a virtual interrupt is pending when STI comes
        or      dword [vm + vm86plus.eflags], EFLAGS_VIP
        call    enter_vm86
        cmp     eax, VM86_STI
        mov     ebx, 2
        jne     exit
        and     dword [vm + vm86plus.eflags], ~EFLAGS_VIP

        ; 3. HLT is not emulated
        call    enter_vm86
        cmp     al, VM86_UNKNOWN
        mov     ebx, 3
        jne     exit
        inc     dword [vm + vm86plus.eip]

        ; 4. an invalid opcode becomes SIGILL; its handler runs outside, then the call returns
        call    enter_vm86
        cmp     eax, VM86_SIGNAL
        mov     ebx, 4
        jne     exit
        cmp     dword [handled], SIGILL
        mov     ebx, 5
        jne     exit

        mov     ecx, done
        mov     edx, done_end - done
        call    print
        xor     ebx, ebx
exit:   mov     eax, SYS_exit
        int     0x80
failed: mov     ebx, 6
        jmp     exit

enter_vm86:
        mov     eax, SYS_vm86
        mov     ebx, VM86_ENTER
        mov     ecx, vm
        int     0x80                    ; returns when v8086 mode has been left
        ret

print_dollar_string:
        mov     eax, [vm + vm86plus.ds]
        and     eax, 0xffff
        shl     eax, 4
        movzx   ecx, word [vm + vm86plus.edx]
        add     ecx, eax
        mov     edx, -1
.more:  inc     edx
        cmp     byte [ecx + edx], '$'
        jne     .more
print:  mov     eax, SYS_write
        mov     ebx, 1
        int     0x80
        ret

; (int signr): 32-bit code, though v8086 code was interrupted
handler:
        mov     eax, [esp + 4]
        mov     [handled], eax
        ret
restorer:
        pop     eax
        mov     eax, SYS_sigreturn
        int     0x80

; what runs in v8086 mode, at DOS_SEGMENT:0
        bits 16
dos:
        mov     ah, 9
        mov     dx, message - dos
        int     0x21
        cli
        sti
        hlt
        ud2
message: db     "hello from real mode", 13, 10, '$'
dos_end:

        bits 32
        section .data
        align 4
action: dd      handler, SA_RESTORER, restorer, 0, 0
done:   db      "INTx, STI, UNKNOWN, SIGNAL: all four ways out", 10
done_end:

        section .bss
        alignb 4
vm:     resb    vm86plus_size
handled: resd   1
