/** Short guests for comparing tiers: code as bytes, with its source, so that no assembler is needed. All end in `jmp $`. */
import { EFLAGS, GPR, OFF, SEG } from "../../src/emu/cpu/layout.ts";
import { setSegmentRaw } from "../../src/emu/cpu/system/segment.ts";
import { type Bits, type MachineOptions, TestMachine } from "../emu/cpu/kit.ts";

export interface Guest {
  readonly name: string;
  readonly bits: Bits;
  readonly code: string;
  /** Enough to reach the end. */
  readonly instructions: number;
  prepare?(machine: TestMachine): void;
}

/**
 *     mov rcx, 120 / mov rax, 1 / mov rbx, 0x1e3779b9 / xor rdx, rdx
 * .l: add rax, rbx / xor rdx, rax / rol rdx, 5 / dec rcx / jnz .l
 *     adc rax, rdx / jmp $
 */
const alu: Guest = {
  name: "alu",
  bits: 64,
  instructions: 610,
  code: "b978000000 b801000000 bbb979371e 4831d2 4801d8 4831c2 48c1c205 48ffc9 75f1 4811d0 ebfe",
};

/**
 * The sieve of the benchmarks over 64 bytes that straddle a page boundary, three times; each prime also adds 3 to a word beyond.
 *         mov ebp, 3 / mov edi, 0x20ffd
 * .again: xor eax, eax / xor ecx, ecx
 * .clr:   mov [rdi+rcx], rax / add rcx, 8 / cmp rcx, 64 / jb .clr / mov ebx, 2
 * .outer: cmp byte [rdi+rbx], 0 / jne .next / mov rcx, rbx / imul rcx, rbx / cmp rcx, 64 / jae .next
 * .mark:  mov byte [rdi+rcx], 1 / add rcx, rbx / cmp rcx, 64 / jb .mark
 * .next:  inc rbx / cmp rbx, 9 / jb .outer / xor eax, eax / mov ecx, 2
 * .cnt:   cmp byte [rdi+rcx], 0 / jne .skip / inc rax / add word [rdi+rcx+70], 3
 * .skip:  inc rcx / cmp rcx, 64 / jb .cnt / dec ebp / jnz .again / jmp $
 */
const sieve: Guest = {
  name: "sieve",
  bits: 64,
  instructions: 2200,
  code: `bd03000000 bffd0f0200 31c0 31c9 4889040f 4883c108 4883f940 72f2 bb02000000 803c1f00 751a 4889d9 480fafcb 4883f940 730d
    c6040f01 4801d9 4883f940 72f3 48ffc3 4883fb09 72d7 31c0 b902000000 803c0f00 7509 48ffc0 6683440f4603 48ffc1 4883f940 72e8
    ffcd 759d ebfe`,
};

/**
 * 32-bit code on a 16-bit stack segment with a base, ESP[31:16] not zero: they must stay as they are.
 *     mov ecx, 30 / mov eax, 0x1234567
 * .l: push eax / call .f / sbb eax, ecx / push cx / rcl dword [esp+2], 3 / pop dx / cmovc ebx, eax / dec ecx / jnz .l
 *     mov ecx, 30
 * .p: pop edx / xor eax, edx / setp bl / loop .p / jmp $
 * .f: push ebp / mov ebp, esp / xchg eax, [ebp+8] / imul eax, eax, 77 / leave / ret
 */
const stack16: Guest = {
  name: "loop on a 16-bit stack segment",
  bits: 32,
  instructions: 600,
  code: `b91e000000 b867452301 50 e820000000 19c8 6651 c154240203 665a 0f42d8 49 75e9 b91e000000 5a 31d0 0f9ac3 e2f8 ebfe
    55 89e5 874508 6bc04d c9 c3`,
  prepare: (machine) => setStack16(machine, 0xffff),
};

export function setStack16({ cpu }: TestMachine, limit: number): void {
  // DS has the same base, so that [esp+2] and [ebp+8] through SS and a flat view agree on where the stack is.
  setSegmentRaw(cpu, SEG.SS, { selector: 0x18, attr: 0x93, base: 0x30000, limit });
  cpu.setGpr(GPR.RSP, 0xdead0400n);
  cpu.updateMode();
}

export const GUESTS: readonly Guest[] = [alu, sieve, stack16];

export function start(guest: Guest, options: Partial<MachineOptions> = {}): TestMachine {
  const machine = new TestMachine({ bits: guest.bits, ram: 0x100000, ...options });
  machine.load(guest.code);
  guest.prepare?.(machine);
  return machine;
}

/** Back to the first instruction with zero registers; RAM is left to the caller. Decoded and compiled code stays. */
export function restart(guest: Guest, machine: TestMachine): void {
  const { cpu } = machine;
  for (let r = 0; r < 16; r++) cpu.setGpr(r, 0n);
  cpu.setGpr(GPR.RSP, 0x80000n);
  cpu.setFlagsRaw(EFLAGS.FIXED);
  for (const field of [OFF.CR2, OFF.ICOUNT]) cpu.set64(field, 0n);
  for (const field of [OFF.LF_RES, OFF.LF_A, OFF.LF_B]) cpu.set64(field, 0n);
  cpu.set32(OFF.LF_OP, 0);
  cpu.set32(OFF.ACTIVITY, 0);
  machine.load(guest.code);
  guest.prepare?.(machine);
}
