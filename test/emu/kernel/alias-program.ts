/** A program that returns from the kernel to a 16-bit stack a hundred times, each time with another random ESP, on one CPU. */
import { SeededRandom } from "../../../src/emu/machine/random.ts";

export const ALIASES = 100;

/** Values of ESP: any upper half, a lower half that is inside the segment. */
export function randomStacks(seed: number): number[] {
  const random = new SeededRandom("aliases", seed);
  return Array.from({ length: ALIASES }, () => ((random.below(0x1_0000) << 16) | 0x1230) >>> 0);
}
/** Bits 31:16 of an address: which alias of the ministack it is. */
export const aliasOf = (address: bigint | number): number =>
  Number((BigInt.asUintN(64, BigInt(address)) >> 16n) & 0xffffn);

/** Ends with the number of returns that did not give the ESP asked for; 200 if it could not begin. */
export const aliasProgram = (stacks: readonly number[], cpu: number): string => `
	.code32
	.globl _start
_start:	mov $123, %eax			# modify_ldt(0x11, descriptor, 16)
	mov $0x11, %ebx
	mov $descriptor, %ecx
	mov $16, %edx
	int $0x80
	test %eax, %eax
	jnz failed
	mov $241, %eax			# sched_setaffinity(0, 4, &mask)
	xor %ebx, %ebx
	mov $4, %ecx
	mov $mask, %edx
	int $0x80
	test %eax, %eax
	js failed
	mov %esp, %esi
	mov %ss, %edi
	xor %ecx, %ecx
	xor %ebx, %ebx
	mov $7, %eax
	mov %eax, %ss
again:	mov stacks(,%ecx,4), %esp
	mov $20, %eax			# getpid
	int $0x80
	cmp %esp, stacks(,%ecx,4)
	je 1f
	inc %ebx
1:	inc %ecx
	cmp $${stacks.length}, %ecx
	jb again
	mov %edi, %ss
	mov %esi, %esp
exit:	mov $1, %eax
	int $0x80
failed:	mov $200, %ebx
	jmp exit
	.data
descriptor: .long 0, 0, 0xffff, 0	# entry 0: data, 16-bit, 64 KiB, writable
mask:	.long ${1 << cpu}
stacks:	.long ${stacks.join(", ")}
`;
