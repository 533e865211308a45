/** Reports changes of privilege, mode and flow to hooks.transfer, for timelines and breakpoints. */
import type { Cpu, TransferEvent } from "../cpu.ts";
import { OFF, SEG } from "../layout.ts";
import type { Addr } from "../state.ts";
import { is64Bit } from "./predicates.ts";

export interface Origin {
  readonly cpl: number;
  /** Linear. */
  readonly ip: Addr;
}

/** Linear address of an offset in the present code segment; what is not canonical comes out as itself, rounded. */
function linearIp(cpu: Cpu, low: number, high: number): Addr {
  if (is64Bit(cpu)) return high * 0x1_0000_0000 + (low >>> 0);
  return (cpu.segBase(SEG.CS) + (low >>> 0)) >>> 0;
}

export const originAt = (cpu: Cpu, ipLow: number, ipHigh: number): Origin => ({
  cpl: cpu.cpl,
  ip: linearIp(cpu, ipLow, ipHigh),
});
export const originHere = (cpu: Cpu): Origin => originAt(cpu, cpu.get32(OFF.RIP), cpu.get32(OFF.RIP + 4));

type Details = Partial<Pick<TransferEvent, "vector" | "errorCode" | "why">>;

/** Call after the commit: the new CPL and IP are read from the state. */
export function reportTransfer(cpu: Cpu, kind: TransferEvent["kind"], from: Origin, details: Details = {}): void {
  const { transfer } = cpu.hooks;
  if (transfer === undefined) return;
  const to = originHere(cpu);
  transfer(cpu, { kind, fromCpl: from.cpl, toCpl: to.cpl, fromIp: from.ip, toIp: to.ip, ...details });
}
