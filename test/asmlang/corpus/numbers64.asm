; Every spelling of a number and every operator, summed up so that a wrong one shows.
bits 64
global _start
section .data
v:      dd 200, 0200, 0200d, 0d200, 0c8h, $0c8, 0xc8, 0hc8, 310q, 310o, 0o310, 0q310
        dd 11001000b, 1100_1000b, 0b1100_1000, 1100_1000y, 0y11001000, 1_000, 0x7fff_ffff
        dd 7 / 2, -7 // 2, 7 % 4, -7 %% 4, 1 << 4 | 1, 0xff ^ 0x0f & 0x3c, ~5, !5, !0, -(-3)
        dd 1 < 2, 2 <= 1, 3 = 3, 3 == 4, 3 <> 4, 3 != 3, 5 > 4, 5 >= 6, 5 <=> 4, 4 <=> 5
        dd 1 && 0, 1 || 0, 1 ^^ 1, 1 ? 5 : 6, 0 ? 5 : 6, (2 + 3) * 4 - 6 / 2
        dd 1 >> 1, 256 >>> 4, 1 <<< 3, v_end - v, $ - $$, $ - v, 'a', 'ab', 0x8000_0000 >> 31
v_end:
section .text
_start: mov rsi, v
        mov ecx, (v_end - v) / 4
        xor edi, edi
.next:  lodsd
        add edi, eax
        ror edi, 1
        loop .next
        movzx edi, dil
        mov eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
