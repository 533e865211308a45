; espfix32: the 32-bit kernel's own way of keeping the user's ESP[31:16]
;
; A 32-bit kernel has no 65,536 addresses to spare. It returns from a segment, ESPFIX_SS, whose base hides the difference between the
; kernel's stack pointer and one that carries the user's upper half; the descriptor in the GDT is rewritten at every such return.

        bits 32
        global _start

SYS_exit        equ 1
SYS_write       equ 4
SYS_getpid      equ 20
SYS_modify_ldt  equ 123
LDT_STACK       equ 0x07
PATTERN         equ 0x5afe0ff0

        section .text
_start:
        mov     eax, SYS_modify_ldt
        mov     ebx, 0x11
        mov     ecx, descriptor
        mov     edx, 16
        int     0x80
        test    eax, eax
        jnz     .failed
        mov     esi, esp
        mov     edi, ss
        mov     eax, LDT_STACK
        mov     ss, eax
        mov     esp, PATTERN
        mov     eax, SYS_getpid
        int     0x80
        mov     ebp, esp
        mov     ss, edi
        mov     esp, esi
        mov     ecx, kept
        cmp     ebp, PATTERN
        je      .say
        mov     ecx, lost
.say:   mov     eax, SYS_write
        mov     ebx, 1
        mov     edx, 17
        int     0x80
        xor     ebx, ebx
        cmp     ebp, PATTERN
        je      .exit
        mov     ebx, 1
.exit:  mov     eax, SYS_exit
        int     0x80
.failed:
        mov     ebx, 2
        jmp     .exit

        section .data
kept:           db "ESP is as it was", 10
lost:           db "ESP has changed ", 10
                align 4
descriptor:     dd 0, stack16, 0xffff, 0x40     ; entry 0: 16-bit data
        section .bss
stack16:        resb 65536
