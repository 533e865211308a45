/** What an instruction in memory looks at, as expressions of our language: for hovers, and for values beside the line that comes next. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { SEG } from "../../emu/cpu/layout.ts";
import { type Addr, addrToBig, bigToAddr } from "../../emu/cpu/state.ts";
import { type MemoryUse, usesOf } from "../../emu/cpu/uses.ts";
import { LONGEST_INSTRUCTION } from "./code.ts";
import { peekBytes } from "./guest-memory.ts";
import type { PlacedSymbols } from "./placed-symbols.ts";

export interface Operand {
  readonly kind: "memory" | "register" | "flag";
  readonly expression: string;
}

/** Of a memory operand that the language has a word for. */
const SIZES: Readonly<Record<number, string>> = { 1: "byte", 2: "word", 4: "dword", 8: "qword" };
/** A smaller displacement is a number, a larger one perhaps an address that has a name. */
const SMALL = 0x1000n;

/** @param names of the program that the instruction is of. */
export function operandsAt(cpu: Cpu, names: PlacedSymbols, address: Addr, bits: 16 | 32 | 64): readonly Operand[] {
  const uses = usesOf(peekBytes(cpu, address, LONGEST_INSTRUCTION), addrToBig(address), bits);
  if (uses === undefined) return [];
  const { memory, registers, flags } = uses;
  return [
    ...memory.flatMap((use) => memoryOperand(cpu, names, use, bits)),
    ...registers.map((expression) => ({ kind: "register" as const, expression })),
    ...flags.map((expression) => ({ kind: "flag" as const, expression })),
  ];
}

function memoryOperand(cpu: Cpu, names: PlacedSymbols, use: MemoryUse, bits: 16 | 32 | 64): Operand[] {
  const address = addressText(names, use);
  if (use.bytes === 0) return [{ kind: "memory", expression: address }];
  const size = SIZES[use.bytes];
  const segment = countsFromBase(cpu, use.segment, bits) ? `${use.segment}:` : "";
  return size === undefined ? [] : [{ kind: "memory", expression: `${size} [${segment}${address}]` }];
}

function countsFromBase(cpu: Cpu, segment: string, bits: 16 | 32 | 64): boolean {
  if (bits === 64) return segment === "fs" || segment === "gs";
  return cpu.segBase(SEG[segment.toUpperCase() as keyof typeof SEG]) !== 0;
}

function addressText(names: PlacedSymbols, { base, index, scale, displacement }: MemoryUse): string {
  const registers = [base, index === undefined || scale === 1 ? index : `${index}*${scale}`].filter(
    (part) => part !== undefined,
  );
  if (displacement === 0n && registers.length > 0) return registers.join("+");
  const size = displacement < 0n ? -displacement : displacement;
  const name = size < SMALL ? undefined : names.describe(bigToAddr(displacement));
  const text = name ?? (size < 10n ? String(size) : `0x${size.toString(16)}`);
  const sign = name === undefined && displacement < 0n ? "-" : "+";
  return registers.length === 0 ? text : registers.join("+") + sign + text;
}
