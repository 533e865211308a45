/**
 * A source of 5,000 lines as people write them (functions with local labels, loops, calls, data, strings, constants, macros,
 * comments) in both dialects, and edits of one line in it.
 */
import type { Dialect } from "../../src/asmlang/types.ts";

const FUNCTION: Readonly<Record<Dialect, (i: number) => string>> = {
  gas: (i) => `
# function ${i}: adds up what the table holds, and calls its neighbour
	.globl	sum${i}
	.type	sum${i}, @function
sum${i}:
	enter_frame	${16 + (i % 4) * 16}
	movq	%rdi, -8(%rbp)		# the table
	leaq	table${i}(%rip), %rsi
	movl	$COUNT, %ecx
	xorl	%eax, %eax
	testl	%ecx, %ecx
	je	.Lempty${i}
.Lnext${i}:
	movl	(%rsi,%rcx,4), %edx
	imull	$${3 + i}, %edx, %edx
	addl	%edx, %eax
	cmpl	$LIMIT + ${i}, %eax
	ja	.Lempty${i}
	subl	$1, %ecx
	jnz	.Lnext${i}
.Lempty${i}:
	movq	%rax, total${i}(%rip)
	leaq	text${i}(%rip), %rdi
	movl	$text${i}_size, %esi
	call	print
	call	sum${(i * 7 + 3) % 100}
	movl	counter(%rip), %r8d
	incl	%r8d
	movl	%r8d, counter(%rip)
	leave_frame
	ret
	.size	sum${i}, . - sum${i}

	.data
	.balign	8
table${i}:
	.long	${i}, ${i + 1}, COUNT, -1	/* the last one ends it */
	.long	${i * 3}, 0x${(i * 77).toString(16)}, 'a', '\\n'
total${i}:
	.quad	0, sum${i}, table${i} + 8
	.section .rodata
text${i}:
	.ascii	"function ${i} is done; total: "
	.asciz	"see above\\n"
	.set	text${i}_size, . - text${i}
	.text`,
  nasm: (i) => `
; function ${i}: adds up what the table holds, and calls its neighbour
        global  sum${i}:function
align 16
sum${i}:
        enter_frame ${16 + (i % 4) * 16}
        mov     [rbp-8], rdi            ; the table
        lea     rsi, [table${i}]
        mov     ecx, COUNT
        xor     eax, eax
        test    ecx, ecx
        jz      .empty
.next:
        mov     edx, [rsi+rcx*4]
        imul    edx, edx, ${3 + i}
        add     eax, edx
        cmp     eax, LIMIT + ${i}
        ja      .empty
        sub     ecx, 1
        jnz     .next
.empty:
        mov     [total${i}], rax
        lea     rdi, [text${i}]
        mov     esi, text${i}_size
        call    print
        call    sum${(i * 7 + 3) % 100}
        mov     r8d, [counter]
        inc     r8d
        mov     [counter], r8d
        leave_frame
        ret

section .data
align 8
table${i}:
        dd      ${i}, ${i + 1}, COUNT, -1 ; the last one ends it
        dd      ${i * 3}, 0x${(i * 77).toString(16)}, 'a', 10
total${i}:
        dq      0, sum${i}, table${i} + 8
        times 4 db 0
section .rodata
text${i}:
        db      "function ${i} is done; total: "
        db      \`see above\\n\`, 0
text${i}_size equ $ - text${i}
section .text

; ----------------------------------------------------------------------
;`,
};

const HEAD: Readonly<Record<Dialect, string>> = {
  gas: `# a program of many functions
	.set	COUNT, 12
	.equ	LIMIT, 100000
	.macro	enter_frame size
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$\\size, %rsp
	.endm
	.macro	leave_frame
	movq	%rbp, %rsp
	popq	%rbp
	.endm
	.data
counter:	.long 0
	.text
print:	ret`,
  nasm: `; a program of many functions
bits 64
default rel
%define COUNT 12
%assign LIMIT 100000
%macro enter_frame 1
        push    rbp
        mov     rbp, rsp
        sub     rsp, %1
%endmacro
%macro leave_frame 0
        mov     rsp, rbp
        pop     rbp
%endmacro
section .data
counter: dd 0
section .text
print:  ret`,
};

export function plausible(dialect: Dialect): string[] {
  const functions = Array.from({ length: 100 }, (_, i) => FUNCTION[dialect](i)).join("\n");
  const lines = `${HEAD[dialect]}\n${functions}`.split("\n");
  return [...lines, ...Array<string>(Math.max(0, 5000 - lines.length)).fill("")].slice(0, 5000);
}

/** An edit puts a line in the place of another one, in a way of its own every time. */
export interface Edit {
  readonly name: string;
  readonly at: (lines: readonly string[]) => number;
  readonly line: (n: number) => string;
}

const lineOf = (part: string, from: number) => (lines: readonly string[]) => {
  const at = lines.findIndex((line, i) => i >= from && line.includes(part));
  return at < 0 ? lines.findIndex((line) => line.includes(part)) : at;
};

export function edits(dialect: Dialect): readonly Edit[] {
  const gas = dialect === "gas";
  const add = (n: number) => (gas ? `	addl	$${1000 + n}, %eax` : `        add     eax, ${1000 + n}`);
  const sum = gas ? "addl	%edx, %eax" : "add     eax, edx";
  return [
    { name: "at the start", at: lineOf(sum, 0), line: add },
    { name: "in the middle", at: lineOf(sum, 2500), line: add },
    { name: "at the end", at: lineOf(sum, 4750), line: add },
    {
      name: "of an instruction's length",
      at: lineOf(sum, 2500),
      line: (n) => (gas ? `	addl	$${n % 2 ? 1 : 1_000_000}, %eax` : `        add     ecx, ${n % 2 ? 1 : 1_000_000}`),
    },
    { name: "that adds a label", at: lineOf(sum, 2500), line: (n) => (gas ? `fresh${n}:` : `.fresh${n}:`) },
    {
      name: "of a constant",
      at: () => (gas ? 2 : 4),
      line: (n) => (gas ? `	.equ	LIMIT, ${100_000 + n}` : `%assign LIMIT ${100_000 + n}`),
    },
    {
      name: "of a macro",
      at: () => (gas ? 6 : 8),
      line: (n) =>
        gas ? `	subq	$\\size + ${n % 2 ? 8 : 800}, %rsp` : `        sub     rsp, %1 + ${n % 2 ? 8 : 800}`,
    },
  ];
}
