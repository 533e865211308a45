/** The processor's own page walk, in Linux's names for the levels, for views. No side effects. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { CR4, OFF } from "../../emu/cpu/layout.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import { hex } from "./format.ts";
import type { WalkStep } from "./views.ts";

/** Below the first level, which is the PGD whatever the processor calls it. */
const LINUX_NAMES: Readonly<Record<string, string>> = { PDPTE: "PUD", PDE: "PMD", PTE: "PTE" };
const PAGE = 4096;

const PRESENT = 1n;
const LARGE = 1n << 7n;

export function pageWalk(cpu: Cpu, address: Addr): WalkStep[] {
  const entryBytes = (cpu.get32(OFF.CR4) & CR4.PAE) !== 0 ? 8 : 4;
  return cpu.pageWalk(address).map((step, i) => {
    const level = i === 0 ? "PGD" : (LINUX_NAMES[step.level] ?? step.level);
    const entry = (BigInt(step.high >>> 0) << 32n) | BigInt(step.low >>> 0);
    // PAE's table of four need not begin a page
    const tableBytes = step.level === "PDPTE" && i === 0 ? 4 * entryBytes : PAGE;
    return {
      level,
      index: (step.address % tableBytes) / entryBytes,
      entryAddress: hex(step.address),
      entry: hex(entry, entryBytes * 8),
      flags: entryFlags(entry, level),
    };
  });
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
