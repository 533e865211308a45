/** A guest can end itself, never the host: random system calls and byte soup as ELF files and as code. */
import { describe, expect, test } from "vitest";
import { SYSCALL_NAMES } from "../../../src/emu/kernel/abi/syscalls.ts";
import { SystemError } from "../../../src/emu/kernel/system.ts";
import { elf, run, source } from "./kit.ts";

/** xorshift: the same cases in every run. */
function random(seed: number): (bound: number) => number {
  let x = seed | 1;
  return (bound) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % bound;
  };
}

/** Calls that end the program, sleep for ever by right, or start others that make the same calls. */
const ENDS = new Set([
  ...["exit", "exit_group", "rt_sigreturn", "sigreturn", "kill", "tkill", "tgkill", "vm86", "vm86old"],
  ...["pause", "sigsuspend", "rt_sigsuspend", "futex", "futex_time64"],
  ...["fork", "vfork", "clone", "clone3"],
]);
const VALUES = [
  "0",
  "1",
  "2",
  "3",
  "7",
  "8",
  "16",
  "0x11",
  "4095",
  "4096",
  "4097",
  "0x10000",
  "0x7fffffff",
  "0x80000000",
  "0xffffffff",
  "0x100000000",
  "0x7fffffffe000",
  "0x7ffffffff000",
  "0x800000000000",
  "0xffff888000000000",
  "0xffffffff81000000",
  "-1",
  "-4096",
  "0x8000000000000000",
  "buffer",
  "buffer + 8",
  "buffer + 4090",
  "_start",
  "0x1002",
  "0x2002",
  "0x2003",
];

/** A table of calls, each with six arguments, and a loop that makes them. */
function calls(seed: number, bits: 32 | 64, count: number): string {
  const next = random(seed);
  const names = [...SYSCALL_NAMES[bits === 64 ? "x86_64" : "i386"]].filter(([, name]) => !ENDS.has(name));
  const word = bits === 64 ? ".quad" : ".long";
  const values = bits === 64 ? VALUES : VALUES.filter((v) => !/^0x[0-9a-f]{9,}$/.test(v));
  const rows = Array.from({ length: count }, () => {
    const [nr] = names[next(names.length)]!;
    const args = Array.from({ length: 6 }, () => values[next(values.length)]!);
    return `\t${word} ${[nr, ...args].join(", ")}`;
  });
  const load = bits === 64 ? LOAD_64 : LOAD_32;
  return `${load}\n\t.data\n\t.balign 8\ntable:\n${rows.join("\n")}\nend:\n\t.bss\n\t.balign 4096\nbuffer:\t.skip 8192\n`;
}
const LOAD_64 = `
	.globl _start
_start:	lea table(%rip), %rbx
next:	mov (%rbx), %rax
	mov 8(%rbx), %rdi
	mov 16(%rbx), %rsi
	mov 24(%rbx), %rdx
	mov 32(%rbx), %r10
	mov 40(%rbx), %r8
	mov 48(%rbx), %r9
	add $56, %rbx
	syscall
	lea end(%rip), %rax
	cmp %rax, %rbx
	jb next
	mov $60, %eax
	xor %edi, %edi
	syscall`;
const LOAD_32 = `
	.globl _start
_start:	mov $table, %esp
next:	pop %eax
	pop %ebx
	pop %ecx
	pop %edx
	pop %esi
	pop %edi
	pop %ebp
	int $0x80
	cmp $end, %esp
	jb next
	mov $1, %eax
	xor %ebx, %ebx
	int $0x80`;

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 3);

describe("random system calls end in an exit", () => {
  const seeds = Array.from({ length: ROUNDS }, (_, i) => i * 7919 + 1);
  test.each([
    [64, "x86_64"],
    [32, "x86_64"],
    [32, "i386"],
  ] as const)("%i bit on the %s kernel", (bits, arch) => {
    for (const seed of seeds) {
      const ran = run(source(calls(seed, bits, 200), bits), { arch, ramSize: 64 << 20 }, 3_000_000);
      expect([seed, ran.stop.kind]).toEqual([seed, "exit"]);
    }
  });
});

test("byte soup as an ELF file is refused in one sentence or runs and ends", () => {
  const next = random(99);
  for (let round = 0; round < ROUNDS * 20; round++) {
    const bytes = Uint8Array.from({ length: 64 + next(4000) }, () => next(256));
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 1 + next(2), 1, 1]);
    // a header that is right as far as it goes, so that the deeper checks are met
    const view = new DataView(bytes.buffer);
    view.setUint16(16, 2 + next(2), true);
    view.setUint16(18, bytes[4] === 1 ? 3 : 62, true);
    if (bytes[4] === 1) {
      view.setUint32(28, 52, true);
      view.setUint16(42, 32, true);
      view.setUint16(44, 1 + next(3), true);
      view.setUint32(52, 1, true);
    } else if (bytes.length > 120) {
      view.setBigUint64(32, 64n, true);
      view.setUint16(54, 56, true);
      view.setUint16(56, 1 + next(3), true);
      view.setUint32(64, 1, true);
    }
    try {
      run(elf(bytes, "soup"), { ramSize: 32 << 20 }, 10_000);
    } catch (error) {
      expect(error).toBeInstanceOf(SystemError);
      expect((error as Error).message).not.toMatch(/\n/);
    }
  }
});

test("byte soup as code ends in a signal or goes on, and never in the host", () => {
  const next = random(4242);
  for (let round = 0; round < ROUNDS * 4; round++) {
    const bits = round % 2 === 0 ? 64 : 32;
    const bytes = Array.from({ length: 400 }, () => next(256)).join(", ");
    const ran = run(source(`\t.globl _start\n_start:\n\t.byte ${bytes}\n`, bits), { ramSize: 32 << 20 }, 100_000);
    expect(["exit", "budget", "halt"]).toContain(ran.stop.kind);
  }
});
