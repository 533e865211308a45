/** Calls by what they leave behind: an address is one that a call returns to if a call ends there. */
import type { Cpu } from "../../../emu/cpu/cpu.ts";
import { instructionAt } from "../../../emu/cpu/disassemble.ts";
import { type Addr, addrToBig, bigToAddr } from "../../../emu/cpu/state.ts";
import { peekBytes } from "../guest-memory.ts";
import type { Place } from "./place.ts";

export interface CallSite {
  readonly address: Addr;
  /** undefined: a register or memory says, or it is a far one. */
  readonly target: Addr | undefined;
}

const SHORTEST_CALL = 2;
const LONGEST_CALL = 7;

/** The calls that would return to `address`: instructions may overlap, so there can be several. */
export function callSites(cpu: Cpu, address: Addr, bits: 16 | 32 | 64): CallSite[] {
  const before = peekBefore(cpu, address);
  const sites: CallSite[] = [];
  for (let length = SHORTEST_CALL; length <= before.length; length++) {
    const found = instructionAt(before.subarray(before.length - length), bits);
    if (found.length !== length || !found.isCall) continue;
    const start = address - length;
    sites.push({
      address: start,
      target: found.target === undefined ? undefined : targetOf(start, found.target, bits),
    });
  }
  return sites;
}

/** Up to as many bytes as a call may have, as far as they are mapped. */
function peekBefore(cpu: Cpu, address: Addr): Uint8Array {
  const whole = peekBytes(cpu, address - LONGEST_CALL, LONGEST_CALL);
  if (whole.length === LONGEST_CALL) return whole;
  for (let length = LONGEST_CALL - 1; length >= SHORTEST_CALL; length--) {
    const bytes = peekBytes(cpu, address - length, length);
    if (bytes.length === length) return bytes;
  }
  return whole.subarray(0, 0);
}

const targetOf = (start: Addr, displacement: bigint, bits: 16 | 32 | 64): Addr =>
  bits === 64
    ? bigToAddr(BigInt.asUintN(64, addrToBig(start) + displacement))
    : Number(BigInt.asUintN(32, addrToBig(start) + BigInt.asIntN(bits, displacement)));

export const isBehindCall = ({ cpu, address, mode }: Place): boolean =>
  callSites(cpu, address, mode.code.bits).length > 0;
