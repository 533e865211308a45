/** What DR0 to DR3, DR7 and CR4.DE ask for: instruction, data and port breakpoints. */
import type { Cpu } from "../cpu.ts";
import { CR4, OFF } from "../layout.ts";
import type { Addr } from "../state.ts";
import type { WatchRange } from "../watch.ts";

/** DR7's R/W fields. */
const ON = { EXECUTE: 0, WRITE: 1, PORT: 2, ACCESS: 3 } as const;
/** DR7's LEN fields, in bytes. */
const LENGTHS = [1, 2, 8, 4] as const;

interface DebugRegister {
  readonly on: number;
  readonly length: number;
  /** As it stands in the register, and aligned to the length as breakpoints on data and ports are. */
  readonly address: Addr;
  readonly aligned: Addr;
}

/** Register `i` if DR7 has it enabled, for this task or for all. */
function enabled(cpu: Cpu, i: number): DebugRegister | undefined {
  const dr7 = cpu.get32(OFF.DR + 7 * 8);
  if (!((dr7 >>> (i * 2)) & 3)) return undefined;
  const field = dr7 >>> (16 + i * 4);
  const on = field & 3;
  const length = LENGTHS[(field >> 2) & 3]!;
  if (on === ON.PORT && !(cpu.get32(OFF.CR4) & CR4.DE)) return undefined;
  const address = cpu.getAddr(OFF.DR + i * 8);
  return { on, length, address, aligned: address - (cpu.get32(OFF.DR + i * 8) & (length - 1)) };
}

const REGISTERS = [0, 1, 2, 3] as const;

/** Addresses with instruction breakpoints. */
export function debugAddresses(cpu: Cpu): Addr[] {
  return REGISTERS.flatMap((i) => {
    const register = enabled(cpu, i);
    return register?.on === ON.EXECUTE ? [register.address] : [];
  });
}

/** Data breakpoints by register. */
export function debugRanges(cpu: Cpu): (WatchRange | undefined)[] {
  return REGISTERS.map((i) => {
    const register = enabled(cpu, i);
    if (register?.on !== ON.WRITE && register?.on !== ON.ACCESS) return undefined;
    return { start: register.aligned, length: register.length, read: register.on === ON.ACCESS, write: true };
  });
}

/** DR6 bits of the instruction breakpoints at a linear address. */
export function debugBitsAt(cpu: Cpu, address: Addr): number {
  let bits = 0;
  for (const i of REGISTERS) {
    const register = enabled(cpu, i);
    if (register?.on === ON.EXECUTE && register.address === address) bits |= 1 << i;
  }
  return bits;
}

/** DR6 bits of the breakpoints that an access to `size` ports from `port` on meets. */
export function debugBitsOfPort(cpu: Cpu, port: number, size: number): number {
  let bits = 0;
  for (const i of REGISTERS) {
    const register = enabled(cpu, i);
    if (register?.on !== ON.PORT) continue;
    if (port < register.aligned + register.length && port + size > register.aligned) bits |= 1 << i;
  }
  return bits;
}
