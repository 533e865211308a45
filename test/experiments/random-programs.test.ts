/** Random straight-line programs in a loop, all integer operations and helpers between them: both tiers stop in the same state. */
import { expect, it } from "vitest";
import { TestMachine } from "../emu/cpu/kit.ts";

let seed = 20260101;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed >>> 8;
};
const below = (n: number): number => random() % n;
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

/** Opcodes with a ModRM byte, the immediate's bytes that follow, and the ModRM.reg values that are an operation of the group. */
const ALL = [0, 1, 2, 3, 4, 5, 6, 7];
const FORMS: readonly (readonly [readonly number[], number, readonly number[]])[] = [
  ...[0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38].flatMap((op) =>
    [0, 1, 2, 3].map((i) => [[op + i], 0, ALL] as const),
  ),
  ...[0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b].map((op) => [[op], 0, ALL] as const),
  ...[0x80, 0x83, 0xc0, 0xc1].map((op) => [[op], 1, ALL] as const),
  ...[0xd0, 0xd1, 0xd2, 0xd3].map((op) => [[op], 0, ALL] as const),
  ...[0xf6, 0xf7].map((op) => [[op], 0, [2, 3, 4, 5]] as const),
  ...[0xfe, 0xff].map((op) => [[op], 0, [0, 1]] as const),
  [[0x69], 4, ALL],
  [[0x6b], 1, ALL],
  ...[0xa3, 0xab, 0xb3, 0xbb, 0xa5, 0xad, 0xaf, 0xb0, 0xb1, 0xb6, 0xb7, 0xbe, 0xbf, 0xbc, 0xbd, 0xc0, 0xc1].map(
    (op) => [[0x0f, op], 0, ALL] as const,
  ),
  ...[0xa4, 0xac].map((op) => [[0x0f, op], 1, ALL] as const),
  [[0x0f, 0xba], 1, [4, 5, 6, 7]],
  ...Array.from({ length: 16 }, (_, cc) => [[0x0f, 0x40 + cc], 0, ALL] as const),
  ...Array.from({ length: 16 }, (_, cc) => [[0x0f, 0x90 + cc], 0, ALL] as const),
];
/** push, pop, cbw family, flags, xlat, call +0, lahf ... */
const PLAIN: readonly (readonly number[])[] = [
  [0x50],
  [0x58],
  [0x52],
  [0x5a],
  [0x6a, 0x85],
  [0x98],
  [0x99],
  [0x9c],
  [0x9e],
  [0x9f],
  [0xf5],
  [0xf8],
  [0xf9],
  [0xd7],
  [0x0f, 0xc8],
  [0xe8, 0, 0, 0, 0],
  [0x75, 0],
  [0x72, 0],
  [0x7c, 0],
  [0x7e, 0],
  [0x7a, 0],
  [0xc9],
];

function instruction(): number[] {
  const prefix = pick([[], [], [0x66], [0x48], [0x48]]);
  if (below(4) === 0) return [...prefix, ...pick(PLAIN)];
  const [opcode, immediate, regs] = pick(FORMS);
  // Register to register without RSP, RBP and RDI; or [rdi + disp8].
  const target = below(2) ? 0xc0 | below(4) : 0x47;
  const reg = regs.length === 8 && opcode[0]! < 0x80 ? below(4) : pick(regs);
  const bytes = [...prefix, ...opcode, target | (reg << 3)];
  if (target === 0x47) bytes.push(below(0x40));
  for (let i = 0; i < immediate; i++) bytes.push(below(256));
  return bytes;
}

/** Ten instructions, then: mov edi, 0x20000 / mov ebp, 0x30000 / mov ebx, 0x20100 / jmp back. */
function program(): Uint8Array {
  const body = Array.from({ length: 10 }, instruction).flat();
  const code = [...body, 0xbf, 0, 0, 2, 0, 0xbd, 0, 0, 3, 0, 0xbb, 0, 1, 2, 0, 0xe9];
  const back = new DataView(new ArrayBuffer(4));
  back.setInt32(0, -(code.length + 4), true);
  return Uint8Array.from([...code, ...new Uint8Array(back.buffer)]);
}

it("end equal in both tiers", () => {
  for (let i = 0; i < 150; i++) {
    const code = program();
    const registers = Array.from(
      { length: 16 },
      () => (BigInt(random()) << 40n) ^ (BigInt(random()) << 20n) ^ BigInt(random()),
    );
    const count = 30 + below(90);
    const [cold, hot] = [undefined, 2].map((hotAfter) => {
      const m = new TestMachine({ bits: 64, ram: 0x100000, ...(hotAfter ? { hotAfter } : {}) }).load(code);
      registers.forEach((value, r) => void m.cpu.setGpr(r, value));
      m.set("RDI", 0x20000).set("RBP", 0x30000).set("RBX", 0x20100).set("RSP", 0x80000);
      return { stop: m.run(count), ...m.fingerprint() };
    });
    expect(hot, Buffer.from(code).toString("hex")).toEqual(cold);
  }
});
