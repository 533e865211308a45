# expressions, data and relocations
	.data
a:	.byte 1 + 2 * 3, (1 + 2) * 3, 7 / 2, -7 / 2, 7 % 3, -7 % 3
	.byte 1 << 4 | 1, 0xff & 0x0f ^ 3, ~1 & 0xff, !5, !0, -(-5)
	.byte 1 == 1, 1 != 1, 1 <> 2, 2 < 1, 2 > 1, 1 <= 1, 1 >= 2, 1 && 0, 1 || 0
	.byte 'a', 'b', '\\', '\'', '\n, ' '
	.word 0x1234, 012, 0b101, 1 + 2 << 3
	.long b - a, (b - a) * 2, . - a, a + 4 - b
	.quad a, b + 8, ext, ext - 4
	.long ext - ., a - ., ext - a, code - .
	.short b - a
	.byte b - a
	.quad -1, 0xffffffffffffffff, 0x8000000000000000, 18446744073709551615 >> 60
	.set later_value, 5 * 6
	.long later_value, forward_value
	.set forward_value, 77
x = 1
	.byte x
x = x + 1
	.byte x
y = .
	.long y - a
	.equ z, b - a
	.byte z
b:	.balign 4
	.p2align 3
	.balign 16, 0x55
	.p2align 4, 0xaa, 3
	.balignw 8, 0x1234
	.skip 3
	.skip 3, 0x11
	.space 2
	.zero 5
	.fill 3
	.fill 2, 4
	.fill 2, 8, 0x1122334455
	.ascii "a" "b", "c"
	.asciz "quote\" tab\t nl\n oct\101\0 hex\x41"
	.string "x", "y"
	.string16 "ab"
	.octa 1, 0xffffffffffffffffffffffffffffffff
	.float 0, 1, -1, 1.5e-10, 3.4e38, 1e-45
	.double 0.1, 1e308, 2.2250738585072014e-308, 4.9e-324
	.tfloat 1.5, 0.1
	.uleb128 0, 127, 128, 0xffffffff
	.sleb128 0, 63, 64, -64, -65, -1
	.uleb128 c - b
c:	.sleb128 b - c
	.text
code:	.byte 0
	mov $(b - a), %eax
	add $b - a, %eax
	mov $a, %rax
	mov $a, %eax
	movabs $a, %rax
	mov a, %eax
	mov a(%rip), %eax
	mov a+4(%rip), %eax
	movl $5, a+4(%rip)
	movb $5, a(%rip)
	movw $5, a(%rip)
	cmpl $1000, a(%rip)
	mov ext(%rip), %rax
	mov ext(,%rax,8), %rax
	lea code(%rip), %rax
	lea end_of_code - code(%rax), %rbx
	mov $x, %ecx
	mov $forward_constant, %ecx
	add $forward_constant, %ecx
	mov forward_constant(%rbx), %ecx
	push $forward_constant
	push $a
	call *ext(%rip)
	call *table(,%rax,8)
	jmp *%rax
	jmp *(%rax)
	jmp ext + 4
	jmp . + 2
	jmp .
	jmp code
	call code + 1
1:	jmp 1f
	jmp 1b
1:	loop 1b
	jrcxz 1b
	.org code + 300
	jmp 1b
	je end_of_code
	.balign 32
	.long 0
	.p2align 4
end_of_code:
	.set forward_constant, 9
	.section .note.thing, "a", @note
	.long 1
	.section .strings, "aMS", @progbits, 1
	.string "merge"
	.section .init_array, "aw"
	.quad code
	.section more, "ax"
	nop
	.p2align 3
	nop
	.previous
	.quad 1
	.section .rodata.str1.1, "aMS", @progbits, 1
	.string "other"
