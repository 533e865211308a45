/** Address spaces: what a guest may have, and that it cannot have more. */
import { describe, expect, test } from "vitest";
import { E } from "../../../src/emu/kernel/abi/errno.ts";
import { run, source } from "./kit.ts";

/** One mmap of `length` bytes; the exit status says whether it worked, the timeline what it gave. */
const mmap = (length: string, flags = 0x22, prot = 3) => `
	.globl _start
_start:	mov $9, %eax
	xor %edi, %edi
	movabs $${length}, %rsi
	mov $${prot}, %edx
	mov $${flags}, %r10d
	mov $-1, %r8
	xor %r9d, %r9d
	syscall
	xor %edi, %edi
	test %rax, %rax
	sets %dil
	mov $60, %eax
	syscall
`;

test("100 GiB is ENOMEM, and costs nothing", () => {
  const ran = run(source(mmap("0x1900000000")));
  expect(ran.stop).toEqual({ kind: "exit", status: 1 });
  expect(ran.events.find((e) => e.type === "syscall" && e.name === "mmap")).toMatchObject({
    result: -E.ENOMEM,
    error: "ENOMEM",
  });
  expect(ran.system.kernel.state.pages.committed).toBe(0);
});

test("a large read-only mapping is only address space", () => {
  expect(run(source(mmap("0x1900000000", 0x22, 1))).stop).toEqual({ kind: "exit", status: 0 });
});

test("200 mappings of 8 MiB in 128 MiB of RAM are only promises", () => {
  const stacks = `
	.globl _start
_start:	mov $200, %ebx
1:	mov $9, %eax
	xor %edi, %edi
	mov $0x800000, %esi
	mov $3, %edx
	mov $0x20022, %r10d		# MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK
	mov $-1, %r8
	xor %r9d, %r9d
	syscall
	test %rax, %rax
	js 2f
	movb $1, 0x7ff000(%rax)		# its first page down
	dec %ebx
	jnz 1b
2:	mov %ebx, %edi
	mov $60, %eax
	syscall
`;
  const { stop } = run(source(stacks), { ramSize: 128 << 20 });
  expect(stop).toEqual({ kind: "exit", status: 0 });
});

test("touching more than there is ends in SIGKILL, as by the OOM killer, not in the host's memory", () => {
  const greedy = `
	.globl _start
_start:	mov $9, %eax
	xor %edi, %edi
	mov $0x1000000, %esi
	mov $3, %edx
	mov $0x22, %r10d
	mov $-1, %r8
	xor %r9d, %r9d
	syscall
	test %rax, %rax
	js done
	mov $0x1000000, %ecx
	mov %rax, %rdi
	mov $1, %al
	rep stosb
	inc %ebx
	jmp _start
done:	mov %ebx, %edi
	mov $60, %eax
	syscall
`;
  const { stop, system } = run(source(greedy), { ramSize: 128 << 20 }, 200_000_000);
  expect(stop).toEqual({ kind: "exit", status: 128 + 9, signal: 9 });
  expect(system.kernel.state.pages.next).toBeLessThanOrEqual(system.kernel.state.pages.end);
});

test("the stack grows down to its limit and no further", () => {
  const deep = (bytes: number) => `
	.globl _start
_start:	mov %rsp, %rax
	mov $${bytes / 4096}, %ecx
touch:	sub $4096, %rax
	movb $1, (%rax)
	dec %ecx
	jnz touch
	mov $60, %eax
	xor %edi, %edi
	syscall
`;
  expect(run(source(deep(7 << 20))).stop).toEqual({ kind: "exit", status: 0 });
  expect(run(source(deep(9 << 20))).stop).toMatchObject({ kind: "exit", signal: 11 });
});

describe("kernel state", () => {
  test("an exited program gives back everything", () => {
    const { system } = run(source(mmap("0x100000")));
    const { state } = system.kernel;
    expect(state.mms.length).toBe(1);
    expect(state.pages.committed).toBe(0);
  });
});

/** Reads a byte of the vvar area, `page` pages above its start; AT_SYSINFO_EHDR (33) gives the image above it. */
const readVvar = (page: number) => `
	.globl _start
_start:	mov (%rsp), %rax
	lea 16(%rsp,%rax,8), %rsi
1:	lodsq
	test %rax, %rax
	jnz 1b
2:	lodsq
	mov %rax, %rdx
	lodsq
	cmp $33, %rdx
	jne 2b
	mov ${(page - 4) * 4096}(%rax), %al
	xor %edi, %edi
	mov $60, %eax
	syscall
`;

test("of the vvar area only the first page has memory behind it: without a paravirtual clock the others are SIGBUS", () => {
  expect(run(source(readVvar(0))).stop).toEqual({ kind: "exit", status: 0 });
  for (const page of [1, 2, 3]) expect(run(source(readVvar(page))).stop).toMatchObject({ kind: "exit", signal: 7 });
});
