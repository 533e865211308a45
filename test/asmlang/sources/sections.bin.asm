; flat binary with several sections
org 0x100
bits 16
section .text
start:
    mov ax, data
    mov si, [more]
    call far_code
    jmp start
    dw $, $$, second - buffer
section .data
data: dw start, data, buffer
section .bss
buffer: resb 10
second: resw 1
section .data2 align=16
more: dw more, second
section .text
far_code: ret
section .high vstart=0x8000
high: dw high, high2
high2: dw $ - $$
