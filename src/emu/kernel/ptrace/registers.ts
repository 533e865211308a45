/**
 * A stopped task's registers as struct user has them (arch/x86/kernel/ptrace.c): pt_regs on its kernel stack, segments and bases where a
 * task that does not run keeps them. 64-bit tracers see all words, 32-bit ones the lower halves under their own order.
 */
import { EFLAGS } from "../../cpu/layout.ts";
import { E } from "../abi/errno.ts";
import { USER, USER_REGS_32, USER_REGS_64 } from "../abi/ptrace.ts";
import { savedGs, saveGs } from "../i386/thread.ts";
import type { Kernel } from "../kernel.ts";
import type { Task, UserSegments } from "../state.ts";
import { ldtDescriptor } from "../x86/descriptors.ts";
import { baseOf } from "../x86/tls.ts";
import { getDebugReg, setDebugReg } from "./debugreg.ts";

/** What a tracer may set; NT too on the 64-bit kernel. */
const FLAG_MASK_32 =
  EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.TF | EFLAGS.DF | EFLAGS.OF | EFLAGS.RF | EFLAGS.AC;
const flagMask = (k: Kernel): number => (k.layout.wordSize === 8 ? FLAG_MASK_32 | EFLAGS.NT : FLAG_MASK_32);

type Segment = "cs" | "ds" | "es" | "fs" | "gs" | "ss";
const isSegment = (name: string): name is Segment => ["cs", "ds", "es", "fs", "gs", "ss"].includes(name);
const ofStack = (k: Kernel, name: Segment): boolean =>
  name === "cs" || name === "ss" || (k.layout.wordSize === 4 && name !== "gs");

const NO_SEGMENTS: UserSegments = { ds: 0, es: 0, fs: 0, gs: 0, fsBase: 0n, gsBase: 0n };
const segmentsOf = (task: Task): UserSegments => (task.segments ??= { ...NO_SEGMENTS });

function getSegment(k: Kernel, task: Task, name: Segment): number {
  if (ofStack(k, name)) return Number(k.userRegs(task).get(name)) & 0xffff;
  return k.layout.wordSize === 4 ? savedGs(k, task) : segmentsOf(task)[name as "ds"];
}

/** set_segment_reg(): user selectors only, and neither CS nor SS may be null. */
function setSegment(k: Kernel, task: Task, name: Segment, value: number): number {
  const selector = value & 0xffff;
  if (selector !== 0 && (selector & 3) !== 3) return -E.EIO;
  if (selector === 0 && (name === "cs" || name === "ss")) return -E.EIO;
  if (ofStack(k, name)) k.userRegs(task).set(name, selector);
  else if (k.layout.wordSize === 4) saveGs(k, task, selector);
  else segmentsOf(task)[name as "ds"] = selector;
  return 0;
}

/** get_flags(): a TF that is the tracer's doing is not shown. */
function getFlags(k: Kernel, task: Task): bigint {
  const flags = k.userRegs(task).get("flags");
  return k.testFlag(task, "FORCED_TF") ? flags & ~BigInt(EFLAGS.TF) : flags;
}
function setFlags(k: Kernel, task: Task, value: bigint): void {
  const regs = k.userRegs(task);
  let wanted = Number(value & 0xffff_ffffn);
  if ((wanted & EFLAGS.TF) !== 0) k.setFlag(task, "FORCED_TF", false);
  else if (k.testFlag(task, "FORCED_TF")) wanted |= EFLAGS.TF;
  const mask = flagMask(k);
  regs.set("flags", (regs.flags & ~mask) | (wanted & mask));
}

/** getreg(), by pt_regs' own names and those of the bases. */
export function getReg(k: Kernel, task: Task, name: string): bigint {
  if (isSegment(name)) return BigInt(getSegment(k, task, name));
  if (name === "flags") return getFlags(k, task);
  if (name === "fs_base") return segmentsOf(task).fsBase;
  if (name === "gs_base") return segmentsOf(task).gsBase;
  return k.userRegs(task).get(name);
}

/** putreg(); 0 or a negative error number. */
export function putReg(k: Kernel, task: Task, name: string, value: bigint): number {
  if (isSegment(name)) return setSegment(k, task, name, Number(value & 0xffffn));
  if (name === "flags") setFlags(k, task, value);
  else if (name === "fs_base" || name === "gs_base") {
    if (value >= BigInt(k.layout.address.taskSizeMax)) return -E.EIO;
    segmentsOf(task)[name === "fs_base" ? "fsBase" : "gsBase"] = value;
  } else k.userRegs(task).set(name, value);
  return 0;
}

/** x86_fsgsbase_read_task(): the base that loading a selector would give. */
function baseOfSelector(k: Kernel, task: Task, selector: number): bigint {
  const index = selector >> 3;
  if ((selector & 4) === 0) {
    const first = k.layout.gdt.TLS_MIN!;
    const descriptor = index >= first && index <= k.layout.gdt.TLS_MAX! ? task.tls[index - first] : undefined;
    return descriptor === undefined ? 0n : BigInt(baseOf(descriptor));
  }
  const descriptor = ldtDescriptor(k, task, index);
  return descriptor === undefined ? 0n : BigInt(baseOf(descriptor));
}

const getReg32 = (k: Kernel, task: Task, name: string): bigint => getReg(k, task, name) & 0xffff_ffffn;

/** putreg32(): FS and GS bring their base along, and a 32-bit orig_ax may be the -1 that forbids a restart. */
function putReg32(k: Kernel, task: Task, name: string, value: bigint): number {
  const low = value & 0xffff_ffffn;
  const error = putReg(k, task, name, low);
  if (error !== 0 || k.layout.wordSize === 4) return error;
  if (name === "fs") segmentsOf(task).fsBase = baseOfSelector(k, task, Number(low) & 0xffff);
  if (name === "gs") segmentsOf(task).gsBase = baseOfSelector(k, task, Number(low) & 0xffff);
  if (name === "orig_ax" && k.userRegs(task).origAx !== -1) {
    k.setThreadInfo(task, "status", k.threadInfo(task, "status") | k.layout.status.I386_REGS_POKED!);
  }
  return 0;
}

/** How a tracer of one width sees struct user. */
export interface UserArea {
  readonly word: 4 | 8;
  readonly registers: readonly string[];
  readonly size: number;
  readonly debugreg: number;
  get(k: Kernel, task: Task, name: string): bigint;
  put(k: Kernel, task: Task, name: string, value: bigint): number;
}
export const USER_AREA: Readonly<Record<32 | 64, UserArea>> = {
  64: { word: 8, registers: USER_REGS_64, ...USER[64], get: getReg, put: putReg },
  32: { word: 4, registers: USER_REGS_32, ...USER[32], get: getReg32, put: putReg32 },
};

/** The debug register at an offset of struct user. */
function debugIndex({ debugreg, word }: UserArea, offset: number): number | undefined {
  const index = (offset - debugreg) / word;
  return index >= 0 && index < 8 ? index : undefined;
}
/** getreg32() lets a 32-bit tracer of the 64-bit kernel look one word too far. */
const misplaced = (k: Kernel, { size, word }: UserArea, offset: number): boolean =>
  offset % word !== 0 || offset > size || (offset === size && word === k.layout.wordSize);

/** PTRACE_PEEKUSR: what lies between the registers reads as 0. */
export function peekUser(k: Kernel, task: Task, area: UserArea, offset: number): bigint | number {
  if (misplaced(k, area, offset)) return -E.EIO;
  const name = area.registers[offset / area.word];
  if (name !== undefined) return area.get(k, task, name);
  const debug = debugIndex(area, offset);
  return debug === undefined ? 0n : getDebugReg(task, debug) & (area.word === 4 ? 0xffff_ffffn : -1n);
}

export function pokeUser(k: Kernel, task: Task, area: UserArea, offset: number, value: bigint): number {
  if (misplaced(k, area, offset)) return -E.EIO;
  const name = area.registers[offset / area.word];
  if (name !== undefined) return area.put(k, task, name, value);
  const debug = debugIndex(area, offset);
  // a native tracer is told of other places; a 32-bit one on the 64-bit kernel is not
  if (debug === undefined) return area.word === 4 && k.layout.wordSize === 8 ? 0 : -E.EIO;
  return setDebugReg(k, task, debug, value);
}
