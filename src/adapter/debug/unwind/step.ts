/** One step of a path that is followed: where an instruction would lead, by its IR, or, of what has none, by the little that counts here. */
import { InsnStream, UPCALL } from "../../../emu/cpu/decode.ts";
import { Mnemonic } from "../../../emu/cpu/iced.ts";
import { foresee, type Known } from "../../../emu/cpu/ir/foresee.ts";
import type { IrInsn } from "../../../emu/cpu/ir/types.ts";
import { GPR, SEG } from "../../../emu/cpu/layout.ts";
import { lowerInsn } from "../../../emu/cpu/lower.ts";
import type { Insn } from "../../../emu/cpu/operation.ts";
import type { Addr } from "../../../emu/cpu/state.ts";
import { LONGEST_INSTRUCTION } from "../code.ts";
import { peekBytes } from "../guest-memory.ts";
import { farReturn, interruptReturn, type Return, signalReturn, sysexitReturn, sysretReturn } from "./far-returns.ts";
import type { Place } from "./place.ts";
import { EFLAGS_VM, modeFor } from "./segments.ts";
import { moveStack } from "./stack-moves.ts";
import { throughUpcall } from "./upcalls.ts";

export type Step =
  /** `place` has moved on; `other` is the way that a branch may go as well. */
  | { readonly kind: "on"; readonly other?: Place }
  /** A jump to nobody knows where. */
  | { readonly kind: "lost" }
  | Return;

const ON: Step = { kind: "on" };
const LOST: Step = { kind: "lost" };

/** Moves `place` over one instruction, or over a whole call. undefined: no way on can be told. */
export function stepOn(place: Place): Step | undefined {
  const ir = instructionAt(place);
  if (ir === undefined) return undefined;
  const { insn } = ir;
  const next = BigInt.asUintN(insn.bits, place.ip + BigInt(insn.length));
  if (insn.mnemonic === Mnemonic.Call) return isFollowed(place) ? intoCall(place, ir, next) : overCall(place, ir, next);
  const outcome = loadsStackPointer(insn) ? place.changeStack(() => foresee(ir, place)) : foresee(ir, place);
  if (outcome.kind === "helper") return throughHelper(place, insn, next);
  if (outcome.kind === "next") return goTo(place, next);
  const { target, taken } = outcome as Extract<typeof outcome, { kind: "jump" }>;
  if (insn.mnemonic === Mnemonic.Ret) return nearReturn(place, target);
  if (insn.mnemonic === Mnemonic.Jmp) return target === undefined ? LOST : goTo(place, target);
  if (taken !== undefined && !place.goesBothWays) return goTo(place, taken ? target! : next);
  const other = place.copy();
  [place.ip, other.ip] = taken === true ? [target!, next] : [next, target!];
  return { kind: "on", other };
}

const loadsStackPointer = ({ mnemonic, ops: [to] }: Insn): boolean =>
  mnemonic === Mnemonic.Mov && to?.kind === "reg" && to.reg === GPR.RSP;

/** The kernel's calls are followed, since some of its entry code leaves a frame on the stack; a program's functions leave the stack as it was. */
const isFollowed = ({ mode }: Place): boolean => mode.cpl < 3;

/** From a call that was followed, the path goes on; if that returns to elsewhere, it has switched to another task's stack. */
function nearReturn(place: Place, target: Known): Step | undefined {
  if (target === undefined) return undefined;
  const called = place.calls.at(-1);
  if (called === undefined) return { kind: "return", to: place.at(place.mode, target) };
  if (target !== called) return undefined;
  place.calls = place.calls.slice(0, -1);
  return goTo(place, target);
}

function goTo(place: Place, target: bigint): Step {
  place.ip = target;
  return ON;
}

interface Lowered {
  readonly bytes: Uint8Array;
  readonly modeKey: number;
  readonly ir: IrInsn;
}
/** Instructions read before, by address: code is followed again at every stop. */
const lowered = new Map<number, Lowered>();
const MOST_LOWERED = 4096;

function instructionAt(place: Place): IrInsn | undefined {
  const { address, modeKey } = place;
  const read = place.notes.code.get(address);
  if (read?.modeKey === modeKey) return read.ir;
  const ir = readInstruction(place, address, modeKey);
  place.notes.code.set(address, { modeKey, ir });
  return ir;
}

function readInstruction(place: Place, address: Addr, modeKey: number): IrInsn | undefined {
  const bytes = peekBytes(place.cpu, address, LONGEST_INSTRUCTION);
  const known = lowered.get(address);
  if (known !== undefined && known.modeKey === modeKey && equal(known.bytes, bytes)) return known.ir;
  const ir = lowerAt(place, bytes);
  if (ir === undefined) return undefined;
  if (lowered.size >= MOST_LOWERED) lowered.clear();
  lowered.set(address, { bytes, modeKey, ir });
  return ir;
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

function lowerAt({ mode, ip, cpu, modeKey }: Place, bytes: Uint8Array): IrInsn | undefined {
  if (bytes.length === 0) return undefined;
  const amd = cpu.model.vendor === "amd";
  const context = { bits: mode.code.bits, stackSize: mode.stack.bits, real: mode.paragraphs, amd };
  const stream = new InsnStream(bytes, Number(BigInt.asIntN(32, ip)), Number(BigInt.asIntN(32, ip >> 32n)), context);
  try {
    const insn = stream.next();
    return insn === undefined ? undefined : lowerInsn(insn, modeKey, 0xffff_ffff, cpu.model.model);
  } finally {
    stream.free();
  }
}

/** What both calling conventions keep across a call; the rest is anything. */
const KEPT_64: ReadonlySet<number> = new Set([GPR.RSP, GPR.RBP, GPR.RBX, 12, 13, 14, 15]);
const KEPT_32: ReadonlySet<number> = new Set([GPR.RSP, GPR.RBP, GPR.RBX, GPR.RSI, GPR.RDI]);
const keptBy = ({ mode }: Place): ReadonlySet<number> => (mode.code.bits === 64 ? KEPT_64 : KEPT_32);

/**
 * The call is followed; should that lead nowhere (it switches to another task's stack), or nobody know where it goes, it is taken to
 * leave the stack as it was.
 */
function intoCall(place: Place, ir: IrInsn, next: bigint): Step {
  const other = place.copy();
  leaveCall(other, next);
  const target = calledBy(place, ir);
  if (target === undefined) return leaveCall(place, next);
  foresee(ir, place);
  place.calls = [...place.calls, next];
  place.ip = target;
  return { kind: "on", other };
}

function calledBy(place: Place, ir: IrInsn): Known {
  const outcome = foresee(ir, place.copy());
  return outcome.kind === "jump" ? outcome.target : undefined;
}

/** The function called takes its own arguments off the stack, if it takes any. A call of what follows it only puts that address there. */
function overCall(place: Place, ir: IrInsn, next: bigint): Step {
  const target = calledBy(place, ir);
  if (target === next) {
    foresee(ir, place);
    return goTo(place, next);
  }
  if (target !== undefined) place.release(poppedBy(place, target));
  return leaveCall(place, next);
}

function leaveCall(place: Place, next: bigint): Step {
  place.forget(keptBy(place));
  place.ip = next;
  return ON;
}

/** Instructions of a function looked at for its return. */
const MOST_TO_RETURN = 400;

/** Bytes that the function's RET takes beyond its return address: those of the first one in its text, jumps gone along. */
function poppedBy(from: Place, entry: bigint): number {
  const place = from.at(from.mode, entry);
  const start = place.address;
  const known = place.notes.popped.get(start);
  if (known !== undefined) return known;
  let popped = 0;
  for (let i = 0; i < MOST_TO_RETURN; i++) {
    const insn = instructionAt(place)?.insn;
    if (insn === undefined || ENDS.has(insn.mnemonic)) break;
    const [op] = insn.ops;
    if (insn.mnemonic === Mnemonic.Ret) {
      popped = op?.kind === "imm" ? op.low : 0;
      break;
    }
    if (insn.mnemonic !== Mnemonic.Jmp) place.ip = BigInt.asUintN(insn.bits, place.ip + BigInt(insn.length));
    else if (op?.kind === "near") place.ip = (BigInt(op.targetHigh >>> 0) << 32n) | BigInt(op.targetLow >>> 0);
    else break;
  }
  place.notes.popped.set(start, popped);
  return popped;
}

/** Instructions that no path goes beyond. */
const ENDS: ReadonlySet<number> = new Set([Mnemonic.Ud2, Mnemonic.Ud0, Mnemonic.Ud1, Mnemonic.INVALID, Mnemonic.Hlt]);
const SYSTEM_CALLS: ReadonlySet<number> = new Set([Mnemonic.Syscall, Mnemonic.Sysenter, Mnemonic.Int]);

function throughHelper(place: Place, insn: Insn, next: bigint): Step | undefined {
  const { mnemonic, opSize } = insn;
  if (ENDS.has(mnemonic)) return undefined;
  switch (mnemonic) {
    case Mnemonic.Iret:
    case Mnemonic.Iretd:
    case Mnemonic.Iretq:
      return interruptReturn(place, opSize / 8);
    case Mnemonic.Sysret:
    case Mnemonic.Sysretq:
      return sysretReturn(place, opSize === 64);
    case Mnemonic.Sysexit:
    case Mnemonic.Sysexitq:
      return sysexitReturn(place, opSize === 64);
    case Mnemonic.Retf:
      return farReturn(place, opSize / 8, insn.ops[0]?.kind === "imm" ? insn.ops[0].low : 0);
    case Mnemonic.Movsb:
    case Mnemonic.Movsw:
    case Mnemonic.Movsd:
    case Mnemonic.Movsq:
      if (!copyString(place, insn)) return undefined;
      break;
    case Mnemonic.Jmp:
      return farJump(place, insn);
    case Mnemonic.Swapgs:
      place.gs = { base: place.gs.swapped, swapped: place.gs.base };
      break;
    case Mnemonic.Rdgsbase:
    case Mnemonic.Wrgsbase:
      moveGsBase(place, insn);
      break;
    case Mnemonic.Rdmsr:
    case Mnemonic.Wrmsr:
      moveMsr(place, mnemonic === Mnemonic.Rdmsr);
      break;
    case UPCALL:
      throughUpcall(place);
      break;
    default:
      if (SYSTEM_CALLS.has(mnemonic)) return systemCall(place, insn, next);
      if (!moveStack(place, insn) && !throughOther(place, insn)) return undefined;
  }
  return goTo(place, next);
}

/** RDGSBASE, WRGSBASE: what the first one finds is what the last one of a path puts back. */
function moveGsBase(place: Place, { mnemonic, ops: [op], opSize }: Insn): void {
  if (op?.kind !== "reg") return;
  const value = mnemonic === Mnemonic.Rdgsbase ? place.gs.base : place.regs[op.reg];
  const moved = value === undefined ? undefined : BigInt.asUintN(opSize, value);
  if (mnemonic === Mnemonic.Rdgsbase) place.regs[op.reg] = moved;
  else place.gs = { ...place.gs, base: moved };
}

const MSR_GS_BASE = 0xc000_0101n;

/** Of all MSRs only the GS base counts: entry code asks for its sign. */
function moveMsr(place: Place, reads: boolean): void {
  const { regs, gs } = place;
  const index = regs[GPR.RCX];
  const isGsBase = index !== undefined && BigInt.asUintN(32, index) === MSR_GS_BASE;
  const [low, high] = [regs[GPR.RAX], regs[GPR.RDX]];
  if (reads) {
    const base = isGsBase ? gs.base : undefined;
    regs[GPR.RAX] = base && BigInt.asUintN(32, base);
    regs[GPR.RDX] = base && BigInt.asUintN(32, base >> 32n);
  } else if (isGsBase || index === undefined) {
    const known = isGsBase && low !== undefined && high !== undefined;
    const base = known ? (BigInt.asUintN(32, high) << 32n) | BigInt.asUintN(32, low) : undefined;
    place.gs = { ...gs, base };
  }
}

const MOVED_BYTES: Readonly<Record<number, number>> = {
  [Mnemonic.Movsb]: 1,
  [Mnemonic.Movsw]: 2,
  [Mnemonic.Movsd]: 4,
  [Mnemonic.Movsq]: 8,
};
/** A longer copy is no frame that moves from stack to stack. */
const MOST_COPIED = 1024;

/** MOVS upwards. False: it cannot be told what it copies. A program's own copies leave the stack as it was, whatever they copy. */
function copyString(place: Place, insn: Insn): boolean {
  const { mnemonic, rep, addrSize } = insn;
  const { regs } = place;
  const bytes = BigInt(MOVED_BYTES[mnemonic]!);
  const [count, from, to] = [rep ? regs[GPR.RCX] : 1n, regs[GPR.RSI], regs[GPR.RDI]];
  const [fromBase, toBase] = [place.segBase(SEG.DS), place.segBase(SEG.ES)];
  const isKnown = count !== undefined && from !== undefined && to !== undefined;
  if (!isKnown || fromBase === undefined || toBase === undefined || count * bytes > MOST_COPIED) {
    regs[GPR.RSI] = regs[GPR.RDI] = undefined;
    if (rep) regs[GPR.RCX] = 0n;
    return place.mode.cpl === 3;
  }
  for (let at = 0n; at < count * bytes; at += bytes)
    place.store(toBase + to + at, Number(bytes), place.load(fromBase + from + at, Number(bytes)));
  regs[GPR.RSI] = BigInt.asUintN(addrSize, from + count * bytes);
  regs[GPR.RDI] = BigInt.asUintN(addrSize, to + count * bytes);
  if (rep) regs[GPR.RCX] = 0n;
  return true;
}

/** JMP ptr16:16 and ptr16:32; of one through memory the way is not told. */
function farJump(place: Place, { ops }: Insn): Step | undefined {
  const [target] = ops;
  if (target?.kind !== "far") return undefined;
  const mode = modeFor(place, BigInt(target.selector), undefined, place.mode.v86 ? EFLAGS_VM : 0n);
  if (mode === undefined) return undefined;
  place.mode = mode;
  return goTo(place, BigInt(target.offset >>> 0));
}

/** exit and exit_group. */
const EXITS_64: ReadonlySet<number> = new Set([60, 231]);
const EXITS_32: ReadonlySet<number> = new Set([1, 252]);

/** A signal's return is one; a call that ends the program has no way on. */
function systemCall(place: Place, insn: Insn, next: bigint): Step | undefined {
  const number = place.regs[GPR.RAX];
  const wide = insn.mnemonic === Mnemonic.Syscall && place.mode.code.bits === 64;
  if (number !== undefined) {
    const signal = signalReturn(place, Number(number), wide);
    if (signal !== "other") return signal;
    if ((wide ? EXITS_64 : EXITS_32).has(Number(number))) return undefined;
  }
  place.regs[GPR.RAX] = undefined;
  if (wide) place.regs[GPR.RCX] = place.regs[11] = undefined;
  return goTo(place, next);
}

/** Any other helper: registers that calls do not keep become unknown, but of a move to or from a control or debug register. */
function throughOther(place: Place, { mnemonic, ops }: Insn): boolean {
  const [to] = ops;
  if (mnemonic === Mnemonic.Mov) {
    if (to?.kind === "reg") place.regs[to.reg] = undefined;
    return true;
  }
  place.forget(keptBy(place));
  return !ops.some((op) => op.kind === "reg" && op.reg === GPR.RSP && op.size > 16);
}
