/** Hello world in both dialects, 32- and 64-bit. Each prints the same line and ends with status 42. */

export const GREETING = "hello, world\n";
export const STATUS = 42;

export const HELLO: Readonly<Record<string, { readonly bits: "32" | "64"; readonly text: string }>> = {
  "nasm64.asm": {
    bits: "64",
    text: `
        bits 64
        global _start
        section .text
_start: mov     eax, 1
        mov     edi, 1
        lea     rsi, [rel msg]
        mov     edx, msg.len
        syscall
        mov     eax, 60
        mov     edi, 42
        syscall
        section .rodata
msg:    db      "hello, world", 10
.len    equ     $ - msg
`,
  },
  "nasm32.asm": {
    bits: "32",
    text: `
        bits 32
        global _start
        section .text
_start: mov     eax, 4
        mov     ebx, 1
        mov     ecx, msg
        mov     edx, len
        int     0x80
        mov     eax, 1
        mov     ebx, 42
        int     0x80
        section .data
msg:    db      \`hello, world\\n\`
len     equ     $ - msg
`,
  },
  "att64.s": {
    bits: "64",
    text: `
        .globl  _start
        .text
_start: movl    $1, %eax
        movl    $1, %edi
        leaq    msg(%rip), %rsi
        movl    $len, %edx
        syscall
        movl    $60, %eax
        movl    $42, %edi
        syscall
        .data
msg:    .ascii  "hello, world\\n"
        .set    len, . - msg
`,
  },
  "intel32.s": {
    bits: "32",
    text: `
        .intel_syntax noprefix
        .code32
        .globl  _start
        .text
_start: mov     eax, 4
        mov     ebx, 1
        mov     ecx, offset msg
        mov     edx, offset len
        int     0x80
        mov     eax, 1
        mov     ebx, 42
        int     0x80
        .section .rodata
msg:    .string "hello, world\\n"
        .equ    len, . - msg - 1
`,
  },
};
