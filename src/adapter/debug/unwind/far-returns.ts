/** Returns that change more than the instruction pointer: IRET, SYSRET, SYSEXIT, far RET, and the system call that ends a signal handler. */

import { GPR } from "../../../emu/cpu/layout.ts";
import { SIGCONTEXT_32, SIGCONTEXT_64, UCONTEXT_32, UCONTEXT_64 } from "../../../emu/kernel/abi/sigcontext.ts";
import { SIGINFO_SIZE } from "../../../emu/kernel/abi/siginfo.ts";
import type { Place } from "./place.ts";
import { EFLAGS_VM, type Mode, modeAskedFor, modeFor } from "./segments.ts";

export interface Return {
  readonly kind: "return" | "far" | "interrupt" | "signal";
  readonly to: Place;
}

/** IP, CS, flags, and, in long mode or to an outer ring, SP and SS. */
export function interruptReturn(place: Place, word: number): Return | undefined {
  const [ip, cs, flags] = [0, 1, 2].map((i) => place.stackWord(i * word, word));
  if (ip === undefined || cs === undefined || flags === undefined) return undefined;
  const outward = place.mode.code.bits === 64 || Number(cs & 3n) > place.mode.cpl || (flags & EFLAGS_VM) !== 0n;
  const sp = outward ? place.stackWord(3 * word, word) : undefined;
  const ss = outward ? place.stackWord(4 * word, word) : undefined;
  if (outward && (sp === undefined || ss === undefined)) return undefined;
  const mode = modeAskedFor(place, cs, ss, flags);
  if (mode === undefined) return undefined;
  const to = place.at(mode, ip);
  if (sp !== undefined) to.regs[GPR.RSP] = sp;
  else to.release(3 * word);
  to.flags = Number(BigInt.asIntN(32, flags));
  to.flagsKnown = word === 2 ? 0xffff : -1;
  return { kind: "interrupt", to };
}

/** IP from RCX; the stack pointer is the user's already. */
export function sysretReturn(place: Place, wide: boolean): Return | undefined {
  const ip = place.regs[GPR.RCX];
  return ip === undefined ? undefined : { kind: "interrupt", to: flatUserPlace(place, ip, wide ? 64 : 32) };
}

/** IP from RDX, the stack pointer from RCX. */
export function sysexitReturn(place: Place, wide: boolean): Return | undefined {
  const [ip, sp] = [place.regs[GPR.RDX], place.regs[GPR.RCX]];
  if (ip === undefined || sp === undefined) return undefined;
  const bits = wide ? 64 : 32;
  const to = flatUserPlace(place, ip, bits);
  to.regs[GPR.RSP] = BigInt.asUintN(bits, sp);
  return { kind: "interrupt", to };
}

function flatUserPlace(from: Place, ip: bigint, bits: 32 | 64): Place {
  const mode: Mode = {
    code: { selector: undefined, bits, base: 0 },
    stack: { selector: undefined, bits, base: 0 },
    cpl: 3,
    v86: false,
    paragraphs: false,
  };
  return from.at(mode, BigInt.asUintN(bits, ip));
}

/** IP and CS, then `release` bytes; to an outer ring SP and SS behind them. */
export function farReturn(place: Place, word: number, release: number): Return | undefined {
  const ip = place.stackWord(0, word);
  const cs = place.stackWord(word, word);
  if (ip === undefined || cs === undefined) return undefined;
  const outward = !place.mode.paragraphs && Number(cs & 3n) > place.mode.cpl;
  const sp = outward ? place.stackWord(2 * word + release, word) : undefined;
  const ss = outward ? place.stackWord(3 * word + release, word) : undefined;
  const mode = modeFor(place, cs, ss, place.mode.v86 ? EFLAGS_VM : 0n);
  if (mode === undefined || (outward && sp === undefined)) return undefined;
  const to = place.at(mode, ip);
  if (sp !== undefined) to.regs[GPR.RSP] = sp;
  else to.release(2 * word + release);
  return { kind: "far", to };
}

const RT_SIGRETURN_64 = 15;
const SIGRETURN_32 = 119;
const RT_SIGRETURN_32 = 173;

/**
 * The context that a handler's end would restore, from the frame on the stack as it is now: until the handler has changed that, it says where
 * the signal struck. "other": this system call ends no handler.
 */
export function signalReturn(place: Place, number: number, wide: boolean): Return | undefined | "other" {
  if (wide) {
    if (number !== RT_SIGRETURN_64) return "other";
    return restored(place, UCONTEXT_64.offset.uc_mcontext, 64);
  }
  if (number === SIGRETURN_32) return restored(place, 0, 32);
  // signal number and the two pointers come before siginfo and ucontext
  if (number === RT_SIGRETURN_32) return restored(place, 12 + SIGINFO_SIZE + UCONTEXT_32.offset.uc_mcontext, 32);
  return "other";
}

const REGISTERS = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"] as const;
const NUMBERED = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;

function restored(place: Place, at: number, bits: 32 | 64): Return | undefined {
  const word = bits / 8;
  const offset = (name: (typeof REGISTERS)[number] | "ip" | "cs" | "ss" | "flags"): number =>
    at + (bits === 64 ? SIGCONTEXT_64.offset[name] : SIGCONTEXT_32.offset[name]);
  const read = (name: Parameters<typeof offset>[0], bytes = word) => place.stackWordNow(offset(name), bytes);
  const [ip, cs, ss, flags] = [read("ip"), read("cs", 2), read("ss", 2), read("flags")];
  if (ip === undefined || cs === undefined || flags === undefined) return undefined;
  // a 64-bit frame says nothing of SS if its writer did not save it
  const mode = modeAskedFor(place, cs, ss === 0n ? undefined : ss, flags);
  if (mode === undefined) return undefined;
  const to = place.at(mode, ip);
  for (const [i, name] of REGISTERS.entries()) to.regs[i] = read(name);
  for (const [i, name] of NUMBERED.entries())
    to.regs[8 + i] = bits === 64 ? place.stackWordNow(at + SIGCONTEXT_64.offset[name], 8) : undefined;
  return { kind: "signal", to };
}
