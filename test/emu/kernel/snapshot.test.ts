/** The whole machine and kernel can go back: from any point on, the same events and the same end. */
import { expect, test } from "vitest";
import type { Program } from "../../../src/emu/kernel/types.ts";
import { requireTool } from "../../tools.ts";
import { compile, elf, source, system, watch } from "./kit.ts";

const SIGNALS = `
	.globl _start
_start:	mov $13, %eax
	mov $11, %edi
	lea action(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	mov $20, %ebx
again:	mov 0x10, %eax			# faults, and the handler skips it
	dec %ebx
	jnz again
	mov $60, %eax
	mov $9, %edi
	syscall
handler: addq $7, 168(%rdx)
	ret
restore: mov $15, %eax
	syscall
	.data
action:	.quad handler, 0x04000004, restore, 0
`;

function everyWay(program: Program, points: number): void {
  const whole = system(program);
  const seen = watch(whole);
  const end = whole.run(10_000_000);
  const length = whole.machine.icount;
  const hash = whole.machine.hash();
  expect(end.kind).toBe("exit");

  const target = system(program);
  for (let i = 1; i <= points; i++) {
    const fresh = system(program);
    const at = Math.floor((length * i) / (points + 1));
    fresh.run(at);
    const snapshot = fresh.machine.save();
    target.machine.restore(snapshot);
    const later = watch(target);
    expect(target.run(10_000_000)).toEqual(end);
    expect(target.machine.hash()).toBe(hash);
    expect(later.events).toEqual(seen.events.filter((e) => e.icount >= at).slice(-later.events.length));
    // and once more from the same snapshot, on a machine that has run past it
    target.machine.restore(snapshot);
    target.run(10_000_000);
    expect(target.machine.hash()).toBe(hash);
  }
}

test("signals, at 12 points", () => everyWay(source(SIGNALS), 12));

test.runIf(requireTool("gcc"))("a C program, at 6 points", () => {
  everyWay(
    elf(
      compile('#include <stdio.h>\nint main(void){for(int i=0;i<5;i++)printf("%d %f\\n",i,i/7.0);return 3;}\n', "-m64"),
    ),
    6,
  );
});

/** Two processes write through one open file; then the parent says where it is. */
const SHARED_POSITION = `
	.globl _start
_start:	mov $319, %eax			# memfd_create("", 0)
	lea empty(%rip), %rdi
	xor %esi, %esi
	syscall
	mov %eax, %ebx
	mov $57, %eax			# fork
	syscall
	mov $50, %ebp
again:	mov $1, %eax			# write(fd, text, 1)
	mov %ebx, %edi
	lea text(%rip), %rsi
	mov $1, %edx
	syscall
	dec %ebp
	jnz again
	mov $61, %eax			# wait4(-1, 0, 0, 0): the child has none to wait for
	mov $-1, %rdi
	xor %esi, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	syscall
	mov $8, %eax			# lseek(fd, 0, SEEK_CUR)
	mov %ebx, %edi
	xor %esi, %esi
	mov $1, %edx
	syscall
	mov %eax, %edi
	mov $60, %eax
	syscall
	.data
empty:	.byte 0
text:	.ascii "x"
`;

test("two processes with one open file, at 8 points: its position stays common", () => {
  expect(system(source(SHARED_POSITION)).run(10_000_000)).toEqual({ kind: "exit", status: 100 });
  everyWay(source(SHARED_POSITION), 8);
});
