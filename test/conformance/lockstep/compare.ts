/** What must be equal after one instruction, here and on the host's processor. */
import { VECTOR } from "../../../src/emu/cpu/fault.ts";
import { EFLAGS } from "../../../src/emu/cpu/layout.ts";
import type { Candidate } from "./generate.ts";
import type { Stop } from "./machine.ts";
import { FX_BYTES, type Outcome, REGISTERS, type Registers, UPPER } from "./native.ts";

/** What our processor did. */
export interface Ours {
  readonly stop: Stop | undefined;
  readonly registers: Registers;
  readonly fx: Uint8Array;
  readonly changes: readonly number[];
}

const SIGILL = 4;
const SIGTRAP = 5;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;

/** Linux's signal for an exception from user mode. */
const SIGNALS: Readonly<Record<number, number>> = {
  [VECTOR.DE]: SIGFPE,
  [VECTOR.DB]: SIGTRAP,
  [VECTOR.BP]: SIGTRAP,
  [VECTOR.OF]: SIGSEGV,
  [VECTOR.BR]: SIGSEGV,
  [VECTOR.UD]: SIGILL,
  [VECTOR.NP]: SIGBUS,
  [VECTOR.SS]: SIGBUS,
  [VECTOR.GP]: SIGSEGV,
  [VECTOR.PF]: SIGSEGV,
  [VECTOR.MF]: SIGFPE,
  [VECTOR.AC]: SIGBUS,
  [VECTOR.XM]: SIGFPE,
};
const SI_KERNEL = 0x80;

/** ID cannot be set through ptrace; TF is the tracer's, RF the fault's frame's, IF and IOPL the host kernel's. */
const COMPARED_FLAGS =
  EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF | EFLAGS.DF | EFLAGS.NT | EFLAGS.AC;

/** Flags that are undefined beyond what iced says, and why. */
const MORE_UNDEFINED: Readonly<Record<string, number>> = {
  // A count of 16 and more on a 16-bit operand.
  Shld: EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF,
  Shrd: EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF,
};

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

/** Differences, one sentence each; none when equal. `wide`: registers are 64-bit. */
export function differences(candidate: Candidate, ours: Ours, theirs: Outcome, wide: boolean): string[] {
  const found: string[] = [];
  if (modelsChoice(candidate, ours, theirs)) return found;
  compareSignal(candidate, ours, theirs, found);
  const undefinedFlags = ours.stop ? 0 : candidate.undefinedFlags | moreUndefined(candidate);
  const flags = BigInt(COMPARED_FLAGS & ~undefinedFlags);
  for (const name of REGISTERS) {
    if (name === "orig_rax" || (ours.stop && name === "eflags")) continue;
    if (!wide && /^(r\d+|fs_base|gs_base)$/.test(name)) continue;
    const mask = name === "eflags" ? flags : wide ? (1n << 64n) - 1n : 0xffff_ffffn;
    const a = ours.registers[name] & mask;
    const b = theirs.registers[name] & mask;
    if (a !== b) found.push(`${name}: ours ${hex(a)}, host ${hex(b)}`);
  }
  compareMemory(candidate, ours, theirs, found);
  compareFx(candidate, ours.fx, theirs.fx, wide, found);
  return found;
}

/**
 * A masked store of which no byte is selected on a page may fault there or not. #AC: which accesses of more than eight bytes are checked is the model's choice (SDM volume 3, table 6-7), and ours finds #AC
 * before a page fault of the same access.
 */
function modelsChoice({ form, insn }: Candidate, ours: Ours, theirs: Outcome): boolean {
  if (/^V?(Maskmov|maskmov|pmaskmov)/.test(form.mnemonic) && !ours.stop && theirs.signal === SIGSEGV) return true;
  // The host loads or stores what comes before the faulting piece of a long operand; ours does nothing.
  const long = insn.ops.some((op) => op.kind === "mem" && op.size > 8 && op.size !== 16);
  if (ours.stop && theirs.signal && (long || IMAGES.test(form.mnemonic))) return true;
  if (ours.stop?.vector !== VECTOR.AC) return false;
  if (insn.ops.some((op) => op.kind === "mem" && op.vindex !== undefined) || /^Vcvtp[hs]2p[hs]$/.test(form.mnemonic))
    return true;
  return theirs.signal === SIGSEGV || insn.ops.some((op) => op.kind === "mem" && op.size > 8);
}

const IMAGES = /^(V?[Mm]askmov|Vpmaskmov|Fn?save|Frstor|Fn?stenv|Fldenv)/;

function moreUndefined({ form, insn }: Candidate): number {
  // Through the carry, only a count of one gives OF; iced counts before the reduction modulo 9 and 17.
  if (form.mnemonic === "Rcl" || form.mnemonic === "Rcr") return EFLAGS.OF;
  if (insn.opSize === 16 && insn.ops.some((op) => op.kind === "reg" && op.size === 16))
    return MORE_UNDEFINED[form.mnemonic] ?? 0;
  return 0;
}

function compareSignal(candidate: Candidate, ours: Ours, theirs: Outcome, found: string[]): void {
  const signal = ours.stop ? (SIGNALS[ours.stop.vector] ?? -1) : 0;
  if (signal !== theirs.signal) {
    const what = ours.stop ? `exception ${ours.stop.vector} (${ours.stop.why})` : "no exception";
    found.push(
      `ours ${what}, host signal ${theirs.signal} code ${theirs.signalCode} address ${hex(theirs.signalAddress)}`,
    );
    return;
  }
  if (signal !== SIGSEGV || !ours.stop) return;
  // Which byte of a masked store or of an image faults is the model's choice.
  const pageFault = ours.stop.vector === VECTOR.PF;
  if (pageFault !== (theirs.signalCode !== SI_KERNEL))
    found.push(`ours exception ${ours.stop.vector} (${ours.stop.why}), host code ${theirs.signalCode}`);
  else if (pageFault && !IMAGES.test(candidate.form.mnemonic) && ours.stop.address !== theirs.signalAddress) {
    found.push(`page fault at ${hex(ours.stop.address)}, host's at ${hex(theirs.signalAddress)}`);
  }
}

function compareMemory({ form }: Candidate, ours: Ours, theirs: Outcome, found: string[]): void {
  const mine = new Map(ours.changes.map((change) => [change >>> 8, change & 0xff]));
  const host = new Map(theirs.changes.map((change) => [change >>> 8, change & 0xff]));
  // A near call to a non-canonical target has pushed on Intel when it faults; ours checks the target first.
  if (form.mnemonic === "Call" && ours.stop?.vector === VECTOR.GP) host.clear();
  // The tracer's own TF is in what PUSHF pushes.
  if (form.mnemonic.startsWith("Pushf")) {
    for (const map of [mine, host]) for (const at of [...map.keys()]) map.delete(at);
  }
  for (const at of new Set([...mine.keys(), ...host.keys()])) {
    if (mine.get(at) === host.get(at)) continue;
    const show = (value: number | undefined) => (value === undefined ? "unchanged" : `0x${value.toString(16)}`);
    found.push(`data+0x${at.toString(16)}: ours ${show(mine.get(at))}, host ${show(host.get(at))}`);
    if (found.length > 12) return;
  }
}

/** Within one unit in the last place of the true value is all that is promised, and C1 tells which way that went. */
const TRANSCENDENTAL = /^(F2xm1|Fyl2x|Fyl2xp1|Fpatan|Fsin|Fcos|Fptan|Fsincos)$/;
const C1 = 0x200;

/** An 80-bit number as an integer that counts units in the last place. */
const register = (image: DataView, at: number): bigint => {
  const signExponent = image.getUint16(at + 8, true);
  const magnitude = (BigInt(signExponent & 0x7fff) << 63n) + (image.getBigUint64(at, true) & ((1n << 63n) - 1n));
  return signExponent & 0x8000 ? -magnitude : magnitude;
};
const distance = (a: bigint, b: bigint): bigint => (a > b ? a - b : b - a);

/** Offsets in the FXSAVE image: control, status, tags; MXCSR; registers. Pointers and opcode are kept differently by each model. */
function compareFx(candidate: Candidate, ours: Uint8Array, theirs: Uint8Array, wide: boolean, found: string[]): void {
  const view = (image: Uint8Array) => new DataView(image.buffer, image.byteOffset, FX_BYTES);
  const a = view(ours);
  const b = view(theirs);
  const word = (name: string, at: number, mask: number) => {
    const left = a.getUint16(at, true) & mask;
    const right = b.getUint16(at, true) & mask;
    if (left !== right) found.push(`${name}: ours 0x${left.toString(16)}, host 0x${right.toString(16)}`);
  };
  word("fcw", 0, 0xffff);
  const within = TRANSCENDENTAL.test(candidate.form.mnemonic) ? 1n : 0n;
  word("fsw", 2, 0xffff & ~candidate.undefinedConditions & (within ? ~C1 : -1));
  word("ftw", 4, 0xff);
  word("mxcsr", 24, 0xffff);
  for (let i = 0; i < 8; i++) {
    const at = 32 + i * 16;
    if (i < 2 && distance(register(a, at), register(b, at)) <= within) continue;
    const left = `${a.getUint16(at + 8, true).toString(16)}:${a.getBigUint64(at, true).toString(16)}`;
    const right = `${b.getUint16(at + 8, true).toString(16)}:${b.getBigUint64(at, true).toString(16)}`;
    if (left !== right) found.push(`st${i}: ours ${left}, host ${right}`);
  }
  for (let i = 0; i < (wide ? 16 : 8); i++) {
    for (const [half, at] of [160, 168, UPPER, UPPER + 8].entries()) {
      const left = a.getBigUint64(at + i * 16, true);
      const right = b.getBigUint64(at + i * 16, true);
      if (left !== right) found.push(`ymm${i}[${half}]: ours ${hex(left)}, host ${hex(right)}`);
    }
  }
}
