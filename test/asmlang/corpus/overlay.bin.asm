; A flat image whose parts run elsewhere than they lie: vstart, follows, alignment, a section of space.
        org     0x100
        bits    16
        section .text
        mov     si, part
        mov     di, 0x8000
        mov     cx, part_size
        rep     movsb
        call    run
        mov     [buffer], ax
        ret
        section .data align=16
table:  dw      run, part, section.overlay.start, section.overlay.vstart
        section overlay follows=.data align=16 vstart=0x8000
part:
run:    mov     ax, [value]
        ret
value:  dw      1234h
part_size equ   $ - $$
        section last vfollows=overlay follows=overlay align=8
        dw      $, $$
        section .bss
buffer: resw    1
        absolute 0x400
com1:   resw    4
lpt1:   resw    3
ebda:   resw    1
        section .text
        mov     ax, [ebda]
        mov     dx, [es:com1]
