/** A page walk by hand: each level's entry read from physical memory through CR3, as the processor would. No side effects. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { CR0, CR4, EFER, OFF } from "../../emu/cpu/layout.ts";
import { type Addr, addrToBig } from "../../emu/cpu/state.ts";
import { hex } from "./format.ts";
import type { WalkStep } from "./views.ts";

interface Level {
  readonly name: string;
  /** Lowest bit of the index in the address, and its width. */
  readonly shift: number;
  readonly bits: number;
}
const FOUR_LEVELS: readonly Level[] = [
  { name: "PGD", shift: 39, bits: 9 },
  { name: "PUD", shift: 30, bits: 9 },
  { name: "PMD", shift: 21, bits: 9 },
  { name: "PTE", shift: 12, bits: 9 },
];
const PAE_LEVELS: readonly Level[] = [
  { name: "PGD", shift: 30, bits: 2 },
  { name: "PMD", shift: 21, bits: 9 },
  { name: "PTE", shift: 12, bits: 9 },
];
const TWO_LEVELS: readonly Level[] = [
  { name: "PGD", shift: 22, bits: 10 },
  { name: "PTE", shift: 12, bits: 10 },
];

const PRESENT = 1n;
const LARGE = 1n << 7n;
const FRAME_MASK = 0x000f_ffff_ffff_f000n;

export function pageWalk(cpu: Cpu, address: Addr): WalkStep[] {
  if ((cpu.get32(OFF.CR0) & CR0.PG) === 0) return [];
  const pae = (cpu.get32(OFF.CR4) & CR4.PAE) !== 0;
  const levels = cpu.get32(OFF.EFER) & EFER.LMA ? FOUR_LEVELS : pae ? PAE_LEVELS : TWO_LEVELS;
  const entryBytes = pae ? 8n : 4n;
  const steps: WalkStep[] = [];
  let table = cpu.get64(OFF.CR3) & (levels === PAE_LEVELS ? 0xffff_ffe0n : FRAME_MASK);
  for (const { name, shift, bits } of levels) {
    const index = (addrToBig(address) >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n);
    const at = table + index * entryBytes;
    const entry = readPhysical(cpu, at, Number(entryBytes));
    steps.push({
      level: name,
      index: Number(index),
      entryAddress: hex(at),
      entry: hex(entry, Number(entryBytes) * 8),
      flags: entryFlags(entry, name),
    });
    const largePage = name !== "PGD" || levels === TWO_LEVELS ? (entry & LARGE) !== 0n && name !== "PTE" : false;
    if ((entry & PRESENT) === 0n || largePage) break;
    table = entry & FRAME_MASK;
  }
  return steps;
}

function readPhysical(cpu: Cpu, physical: bigint, bytes: number): bigint {
  const { core } = cpu;
  const at = Number(physical);
  if (at + bytes > core.ramSize) return 0n;
  return bytes === 8
    ? core.view.getBigUint64(core.ramBase + at, true)
    : BigInt(core.view.getUint32(core.ramBase + at, true));
}

function entryFlags(entry: bigint, level: string): string[] {
  if ((entry & PRESENT) === 0n) return ["not present"];
  const flags = ["present", entry & 2n ? "writable" : "read-only", entry & 4n ? "user" : "supervisor"];
  if (entry & 0x20n) flags.push("accessed");
  if (entry & 0x40n && level === "PTE") flags.push("dirty");
  if (entry & LARGE && level !== "PTE" && level !== "PGD") flags.push("large");
  if (entry & 0x100n && level === "PTE") flags.push("global");
  if (entry >> 63n) flags.push("no-execute");
  return flags;
}
