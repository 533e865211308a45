/**
 * The x87's registers as its instructions see them: a stack of eight 80-bit registers with tags, the status word's exceptions and
 * condition codes, and the checks that every instruction starts with.
 */
import type { Cpu } from "../cpu.ts";
import { Fault, nm, VECTOR } from "../fault.ts";
import { type Bits80, pack80, unpack80 } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import { CR0, OFF } from "../layout.ts";
import type { Insn } from "../operation.ts";
import { noteOperand } from "./x87-pointers.ts";

/** Status word bits. B mirrors ES. */
export const FSW = {
  IE: 1,
  SF: 0x40,
  ES: 0x80,
  C0: 0x100,
  C1: 0x200,
  C2: 0x400,
  TOP: 0x3800,
  C3: 0x4000,
  B: 0x8000,
} as const;
export const CONDITIONS = FSW.C0 | FSW.C1 | FSW.C2 | FSW.C3;
/** FCW after FNINIT: all exceptions masked, 64-bit precision, to nearest. */
export const FCW_INITIAL = 0x37f;
const TAG_EMPTY = 3;

export const status = (cpu: Cpu): number => cpu.get32(OFF.FSW);
export const top = (cpu: Cpu): number => (status(cpu) >> 11) & 7;
export function setTop(cpu: Cpu, value: number): void {
  cpu.set32(OFF.FSW, (status(cpu) & ~FSW.TOP) | ((value & 7) << 11));
}
export function setConditions(cpu: Cpu, value: number, mask: number = CONDITIONS): void {
  cpu.set32(OFF.FSW, (status(cpu) & ~mask) | (value & mask));
}

const physical = (cpu: Cpu, i: number): number => (top(cpu) + i) & 7;
const at = (cpu: Cpu, register: number): number => cpu.base + OFF.X87 + register * 16;

/** A physical register's image. */
export function readPhysical(cpu: Cpu, register: number): Bits80 {
  const offset = at(cpu, register);
  return { mant: cpu.u64[offset >> 3]!, signExponent: cpu.i32[(offset + 8) >> 2]! & 0xffff };
}
export function writePhysical(cpu: Cpu, register: number, bits: Bits80): void {
  const offset = at(cpu, register);
  cpu.u64[offset >> 3] = bits.mant;
  cpu.i32[(offset + 8) >> 2] = bits.signExponent;
}

/** 0 valid, 1 zero, 2 special (NaN, infinity, denormal, unsupported), 3 empty. */
export function tagOf(bits: Bits80): number {
  const biased = bits.signExponent & 0x7fff;
  if (biased === 0) return bits.mant === 0n ? 1 : 2;
  return biased === 0x7fff || bits.mant >> 63n === 0n ? 2 : 0;
}
function setTag(cpu: Cpu, register: number, tag: number): void {
  const shift = register * 2;
  cpu.set32(OFF.FTW, (cpu.get32(OFF.FTW) & ~(3 << shift)) | (tag << shift));
}

export const isEmpty = (cpu: Cpu, i: number): boolean =>
  ((cpu.get32(OFF.FTW) >> (physical(cpu, i) * 2)) & 3) === TAG_EMPTY;
export const readBits = (cpu: Cpu, i: number): Bits80 => readPhysical(cpu, physical(cpu, i));
export const readSt = (cpu: Cpu, i: number): soft.Unpacked => unpack80(readBits(cpu, i));
export function writeBits(cpu: Cpu, i: number, bits: Bits80): void {
  const register = physical(cpu, i);
  writePhysical(cpu, register, bits);
  setTag(cpu, register, tagOf(bits));
}
export const writeSt = (cpu: Cpu, i: number, value: soft.Unpacked): void => writeBits(cpu, i, pack80(value));

export function pop(cpu: Cpu): void {
  setTag(cpu, top(cpu), TAG_EMPTY);
  setTop(cpu, top(cpu) + 1);
}
export function free(cpu: Cpu, i: number): void {
  setTag(cpu, physical(cpu, i), TAG_EMPTY);
}

/** The instruction whose exceptions are being raised. */
let running: Insn | undefined;

/** Pending unmasked exceptions raise ES (and B). */
export function updateSummary(cpu: Cpu): void {
  const word = status(cpu);
  const pending = word & ~cpu.get32(OFF.FCW) & 0x3f;
  cpu.set32(OFF.FSW, pending ? word | FSW.ES | FSW.B : word & ~(FSW.ES | FSW.B));
}

/** Records exceptions; true if one of them is unmasked. Then the instruction's opcode and operand are remembered. */
export function raise(cpu: Cpu, flags: number): boolean {
  cpu.set32(OFF.FSW, status(cpu) | flags);
  updateSummary(cpu);
  const unmasked = (flags & ~cpu.get32(OFF.FCW) & 0x3f) !== 0;
  if (unmasked && running) noteOperand(cpu, running);
  return unmasked;
}

/** Stack overflow (C1 = 1) or underflow (C1 = 0); true if the response is masked, so that the default NaN goes on. */
export function stackFault(cpu: Cpu, overflow: boolean): boolean {
  setConditions(cpu, overflow ? FSW.C1 : 0, FSW.C1);
  return !raise(cpu, FSW.IE | FSW.SF);
}

/** #NM, then #MF for an exception that an earlier instruction left pending. What is raised from now on is this instruction's. */
export function checkX87(cpu: Cpu, insn: Insn): void {
  const cr0 = cpu.get32(OFF.CR0);
  if (cr0 & (CR0.EM | CR0.TS)) throw nm("x87 instruction with CR0.EM or CR0.TS set");
  if (status(cpu) & FSW.ES) throw new Fault(VECTOR.MF, 0, "pending unmasked x87 exception");
  running = insn;
}

/** Only the device check: for the instructions that do not wait. */
export function checkX87NoWait(cpu: Cpu): void {
  if (cpu.get32(OFF.CR0) & (CR0.EM | CR0.TS)) throw nm("x87 instruction with CR0.EM or CR0.TS set");
}

const environment = new soft.Environment();
const PRECISIONS = [24, 64, 53, 64] as const;
/** Bits of significand that precision control leaves to arithmetic. */
export const precisionOf = (cpu: Cpu): number => PRECISIONS[(cpu.get32(OFF.FCW) >> 8) & 3]!;

/** The environment of the control word, with nothing raised. */
export function x87Environment(cpu: Cpu): soft.Environment {
  const control = cpu.get32(OFF.FCW);
  environment.rounding = (control >> 10) & 3;
  environment.masks = control & 0x3f;
  environment.flags = 0;
  environment.roundedUp = false;
  return environment;
}

/** Found before the operation: unmasked, they keep it from happening. */
const EARLY = soft.FE.I | soft.FE.D | soft.FE.Z;

/** C1 tells whether the last rounding went up; then the exceptions. True if the result may be stored. */
export function finish(cpu: Cpu, env: soft.Environment): boolean {
  const refused = (env.flags & ~env.masks & EARLY) !== 0;
  if (refused) env.flags &= EARLY;
  setConditions(cpu, env.roundedUp && env.flags & soft.FE.P ? FSW.C1 : 0, FSW.C1);
  raise(cpu, env.flags);
  return !refused;
}

/** The x87's choice among NaN operands: a quiet one over a signaling one, else the larger significand, else the positive one. */
export function chooseNaN(env: soft.Environment, a: soft.Unpacked, b: soft.Unpacked): soft.Unpacked {
  if (a.kind === soft.UNSUPPORTED || b.kind === soft.UNSUPPORTED) {
    env.flags |= soft.FE.I;
    return soft.DEFAULT_NAN;
  }
  const signaling = soft.isSignaling(a) || soft.isSignaling(b);
  if (signaling) env.flags |= soft.FE.I;
  return { ...pickNaN(a, b), mant: pickNaN(a, b).mant | soft.QUIET_BIT };
}

function pickNaN(a: soft.Unpacked, b: soft.Unpacked): soft.Unpacked {
  if (b.kind !== soft.NAN) return a;
  if (a.kind !== soft.NAN) return b;
  if (soft.isSignaling(a) !== soft.isSignaling(b)) return soft.isSignaling(a) ? b : a;
  if (a.mant !== b.mant) return a.mant > b.mant ? a : b;
  return a.sign === 0 ? a : b;
}

export const isSpecial = (a: soft.Unpacked): boolean => a.kind === soft.NAN || a.kind === soft.UNSUPPORTED;
