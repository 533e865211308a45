/** A big LDT, written entry by entry: the table that modify_ldt() reads back and what LSL finds in it, against this host's kernel. */
import { describe, expect, test } from "vitest";
import { nativeImage, run, source } from "./kit.ts";

/** Entries in several pages, some twice, the table growing in between; prints the table and the limits that the processor sees. */
const PROGRAM = `
	.globl _start
_start:	lea list(%rip), %rbx
next:	mov (%rbx), %eax
	cmp $-1, %eax
	je done
	mov %eax, desc(%rip)
	mov 4(%rbx), %eax
	mov %eax, desc+8(%rip)
	mov $154, %eax				# modify_ldt(0x11, &desc, 16)
	mov $0x11, %edi
	lea desc(%rip), %rsi
	mov $16, %edx
	syscall
	test %rax, %rax
	jnz bad
	mov (%rbx), %ecx
	lea 7(,%rcx,8), %ecx
	lsl %ecx, %ecx
	jnz bad
	cmp 4(%rbx), %ecx
	jne bad
	add $8, %rbx
	jmp next
done:	mov $154, %eax				# modify_ldt(0, table, 65536)
	xor %edi, %edi
	lea table(%rip), %rsi
	mov $65536, %edx
	syscall
	mov %rax, %rdx
	mov $1, %eax
	mov $1, %edi
	lea table(%rip), %rsi
	syscall
	mov $60, %eax
	xor %edi, %edi
	syscall
bad:	mov $60, %eax
	mov $1, %edi
	syscall
	.data
list:	.long 0, 0x10,  3, 0x13,  511, 0x1ff,  512, 0x200,  600, 0x258,  512, 0x999,  8191, 0xfff,  1, 0x11,  513, 0x201,  4096, 0x40
	.long 8190, 0xffe,  0, 0x77,  511, 0x88,  8191, 0x99,  -1
desc:	.long 0, 0, 0, 0x41			# 32-bit, usable, limit in bytes
	.bss
table:	.skip 65536
`;

describe("the LDT", () => {
  test("a table of sixteen pages is what Linux makes of it", () => {
    const expected = nativeImage(PROGRAM, 64);
    expect(expected.status).toBe(0);
    const { stop, stdout } = run(source(PROGRAM));
    expect(stop).toMatchObject({ kind: "exit", status: 0 });
    expect(stdout.length).toBe(65536);
    expect(Buffer.compare(stdout, expected.stdout)).toBe(0);
  });

  test("changing one entry of a full table does not use up memory", () => {
    const many = `
	.globl _start
_start:	movl $8191, desc(%rip)
	mov $20000, %ebx
next:	mov $154, %eax
	mov $0x11, %edi
	lea desc(%rip), %rsi
	mov $16, %edx
	syscall
	test %rax, %rax
	jnz bad
	mov %ebx, %eax
	and $8191, %eax
	mov %eax, desc(%rip)
	dec %ebx
	jnz next
	mov $60, %eax
	xor %edi, %edi
	syscall
bad:	mov $60, %eax
	mov $1, %edi
	syscall
	.data
desc:	.long 0, 0, 0, 0x51
`;
    const { stop, system } = run(source(many), { ramSize: 32 << 20 });
    expect(stop).toMatchObject({ kind: "exit", status: 0 });
    expect(system.kernel.state.pages.free.length).toBeGreaterThan(0);
  });
});
