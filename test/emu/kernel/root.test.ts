/** The sandboxed root is bounded: a program that seeks far ahead, truncates to a huge length or never stops writing gets an error. */
import { expect, test } from "vitest";
import { ROOT_BYTES } from "../../../src/emu/kernel/fs/root.ts";
import { run, source, system } from "./kit.ts";

/** open("f", O_CREAT|O_RDWR), then `calls`; exits with the negated result of the last one. */
const program = (calls: string) => `
	.globl _start
_start:	mov $2, %eax
	lea name(%rip), %rdi
	mov $0102, %esi
	mov $0600, %edx
	syscall
	mov %eax, %r12d
	${calls}
	mov %eax, %edi
	neg %edi
	mov $60, %eax
	syscall
name:	.asciz "f"
`;
const call = (nr: number, rsi: string, rdx = "$0") => `
	mov $${nr}, %eax
	mov %r12d, %edi
	movabs ${rsi}, %rsi
	movabs ${rdx}, %rdx
	syscall
`;
const [WRITE, LSEEK, FTRUNCATE] = [1, 8, 77];
const [EFBIG, ENOSPC] = [27, 28];

test.each([
  ["a write far beyond the end", call(LSEEK, "$1 << 60") + call(WRITE, "$name", "$1"), ENOSPC],
  ["a length of 2^62", call(FTRUNCATE, "$1 << 62"), EFBIG],
  ["one byte more than there is room for", call(FTRUNCATE, `$${ROOT_BYTES + 1}`), EFBIG],
  ["exactly the room", call(FTRUNCATE, `$${ROOT_BYTES}`), 0],
])("%s", (_, calls, error) => {
  const { stop } = run(source(program(calls)));
  expect(stop).toEqual({ kind: "exit", status: error });
});

/** 4,000 writes of 100 bytes each. */
const GROWS = program(`
	mov $4000, %ebx
1:	${call(WRITE, "$name", "$100").replaceAll("\n", "\n\t")}
	dec %ebx
	jnz 1b
	xor %eax, %eax
`).replace('"f"', '"f"\n\t.space 200');

test("a file that grows by small writes is copied seldom, and what a snapshot has of it stays", () => {
  const target = system(source(GROWS), { cpus: 1 });
  const { kernel, machine } = target;
  const bytes = () => kernel.state.files["/f"]!;
  const buffers = new Set<unknown>();
  while (target.run(50_000).kind === "budget" && bytes() !== undefined) buffers.add(bytes().buffer);
  expect(bytes().length).toBe(400_000);
  expect(kernel.state.rootBytes).toBe(400_000);
  // from 100 bytes by half more each time
  expect(buffers.size).toBeLessThan(30);

  const again = system(source(GROWS), { cpus: 1 });
  again.run(200_000);
  const snapshot = again.machine.save();
  const { length } = again.kernel.state.files["/f"]!;
  again.run(50_000);
  expect(again.kernel.state.files["/f"]!.length).toBeGreaterThan(length);
  again.machine.restore(snapshot);
  expect(again.kernel.state.files["/f"]!.length).toBe(length);
  again.run(50_000_000);
  expect(again.kernel.state.files["/f"]).toEqual(bytes());
  expect(again.machine.icount).toBe(machine.icount);
});
