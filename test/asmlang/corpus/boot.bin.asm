; A boot sector that prints a text and goes on into protected mode.
%define ORIGIN 0x7c00
        org     ORIGIN
        bits    16
start:  jmp     short begin
        nop
        times   0x3b - ($ - $$) db 0
begin:  jmp     0:.next
.next:  xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, ORIGIN
        mov     si, text
.print: lodsb
        or      al, al
        jz      .done
        mov     ah, 0eh
        int     10h
        jmp     .print
.done:  lgdt    [gdt.pointer]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 8:protected
        [bits 32]
protected:
        mov     ax, 16
        mov     ds, ax
        mov     byte [es:0xb8000], 'P'
        a16 mov [0x500], al
        o16 push ax
.halt:  hlt
        jmp     near .halt
        align   8, db 0
gdt:    dq      0
        dw      0xffff, 0
        db      0, 10011010b, 11001111b, 0
        dw      0xffff, 0, 0x9200, 0xcf
.pointer:
        dw      $ - gdt - 1
        dd      gdt
text    db      'loading', 13, 10, 0
%if ($ - $$) > 510
        %error "the boot sector is full"
%endif
        times   510 - ($-$$) db 0
        dw      0xaa55
