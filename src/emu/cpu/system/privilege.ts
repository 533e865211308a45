/** Privilege and mode checks that open most system instructions, each with the sentence that names the failed one. */
import type { Cpu } from "../cpu.ts";
import { gp, ud } from "../fault.ts";
import { CR4 } from "../layout.ts";
import { hasCr4, isParagraphMode } from "./predicates.ts";

export function requireCpl0(cpu: Cpu, name: string): void {
  if (cpu.cpl !== 0) throw gp(0, `${name} at CPL ${cpu.cpl}`);
}

/** Instructions that real and virtual-8086 mode do not have. */
export function requireSelectors(cpu: Cpu, name: string): void {
  if (isParagraphMode(cpu)) throw ud(`${name} in real or virtual-8086 mode`);
}

/** SGDT, SIDT, SLDT, STR and SMSW above CPL 0. */
export function checkUmip(cpu: Cpu, name: string): void {
  if (cpu.cpl !== 0 && hasCr4(cpu, CR4.UMIP)) throw gp(0, `${name} at CPL ${cpu.cpl} with CR4.UMIP set`);
}
