/** Every register by every name a user may write, as a Reference on one CPU. */
import { lookUp } from "../../asmlang/core/look-up.ts";
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { Fault } from "../../emu/cpu/fault.ts";
import { OFF, SEG, SEG_STRIDE, SEGF, type SegIndex } from "../../emu/cpu/layout.ts";
import { setControl, setTagWord } from "../../emu/cpu/ops/x87-control.ts";
import { updateSummary } from "../../emu/cpu/ops/x87-state.ts";
import { ATTR } from "../../emu/cpu/system/descriptor.ts";
import { is64Bit, isParagraphMode } from "../../emu/cpu/system/predicates.ts";
import { loadSegment } from "../../emu/cpu/system/segment.ts";
import type { Reference } from "./reference.ts";
import { VECTOR_NAMES, vectorReference } from "./vector-registers.ts";

export const GPR_NAMES = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
] as const;
/** What pt_regs calls them: the old eight have no letter in front there. */
export const PT_REGS: readonly string[] = GPR_NAMES.map((name) => name.replace(/^r(?=[a-z])/, ""));
export const SEGMENT_NAMES = ["es", "cs", "ss", "ds", "fs", "gs"] as const;

/** EFLAGS bits as the manual lists them. */
export const FLAG_BITS: Readonly<Record<string, number>> = {
  CF: 0,
  PF: 2,
  AF: 4,
  ZF: 6,
  SF: 7,
  TF: 8,
  IF: 9,
  DF: 10,
  OF: 11,
  NT: 14,
  RF: 16,
  VM: 17,
  AC: 18,
  VIF: 19,
  VIP: 20,
  ID: 21,
};

const LOW_BYTES = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
const HIGH_BYTES = ["ah", "ch", "dh", "bh"];

/** Each CPU's registers by the names that they were asked for by: a reference reads what is there then. */
const known = new WeakMap<Cpu, Map<string, Reference>>();

/** The register `name` (any case), or undefined if there is none of that name. */
export function registerReference(cpu: Cpu, name: string): Reference | undefined {
  let references = known.get(cpu);
  if (references === undefined) known.set(cpu, (references = new Map()));
  const found = references.get(name) ?? makeReference(cpu, name);
  if (found !== undefined) references.set(name, found);
  return found;
}

function makeReference(cpu: Cpu, name: string): Reference | undefined {
  const lower = name.toLowerCase();
  return (
    general(cpu, lower) ??
    wholeFlags(cpu, lower) ??
    segment(cpu, lower) ??
    control(cpu, lower) ??
    flag(cpu, name) ??
    vectorReference(cpu, lower)
  );
}

/** A whole register, wherever it is kept; one that is not known reads as undefined. */
export interface Word {
  read(): bigint | undefined;
  readonly write?: (value: bigint) => void;
}

const wordAt = (cpu: Cpu, offset: number): Word => ({
  read: () => cpu.get64(offset),
  write: (value) => cpu.set64(offset, value),
});

const general = (cpu: Cpu, name: string): Reference | undefined =>
  generalReference(name, (index) => wordAt(cpu, OFF.GPR + index * 8), wordAt(cpu, OFF.RIP));

/** Which bits of which register (or of the instruction pointer) a name stands for. */
export interface GeneralPart {
  readonly index: number | "pointer";
  readonly bits: 8 | 16 | 32 | 64;
  readonly shift: 0 | 8;
}

const POINTER_BITS: Readonly<Record<string, 16 | 32 | 64>> = { rip: 64, eip: 32, ip: 16 };

/** By the name in lower case. */
export function generalPart(name: string): GeneralPart | undefined {
  const high = HIGH_BYTES.indexOf(name);
  if (high >= 0) return { index: high, bits: 8, shift: 8 };
  const low = LOW_BYTES.indexOf(name);
  if (low >= 0) return { index: low, bits: 8, shift: 0 };
  const legacy = GPR_NAMES.findIndex(
    (full, i) => i < 8 && (name === full || name === `e${full.slice(1)}` || name === full.slice(1)),
  );
  if (legacy >= 0)
    return { index: legacy, bits: name[0] === "r" ? 64 : name[0] === "e" && name.length === 3 ? 32 : 16, shift: 0 };
  const pointerBits = lookUp(POINTER_BITS, name);
  if (pointerBits !== undefined) return { index: "pointer", bits: pointerBits, shift: 0 };
  const numbered = /^r(8|9|1[0-5])([dwb]?)$/.exec(name);
  if (numbered === null) return undefined;
  const bits = ({ "": 64, d: 32, w: 16, b: 8 } as const)[numbered[2] as "" | "d" | "w" | "b"];
  return { index: Number(numbered[1]), bits, shift: 0 };
}

/** A general register, the instruction pointer, or a part of one, by its name in lower case. */
export function generalReference(name: string, word: (index: number) => Word, pointer: Word): Reference | undefined {
  const part = generalPart(name);
  return part && partOf(part.index === "pointer" ? pointer : word(part.index), part.bits, part.shift);
}

const slice = (cpu: Cpu, offset: number, bits: number, shift: number): Reference =>
  partOf(wordAt(cpu, offset), bits, shift);

/** Part of a 64-bit word. A write keeps the bits around it, except that 32 bits written zero the upper half, as the CPU does. */
function partOf(word: Word, bits: number, shift: number): Reference {
  const mask = (1n << BigInt(bits)) - 1n;
  const at = BigInt(shift);
  const read = () => {
    const whole = word.read();
    return whole === undefined ? undefined : (whole >> at) & mask;
  };
  if (word.write === undefined) return { bits, read };
  const write = (value: bigint) => {
    const kept = bits === 32 ? 0n : (word.read() ?? 0n) & ~(mask << at);
    word.write!(kept | ((value & mask) << at));
  };
  return { bits, read, write };
}

/** The flags register by its names, each as wide. */
export const FLAGS_WIDTH: Readonly<Record<string, 16 | 32 | 64>> = { rflags: 64, eflags: 32, flags: 16 };

function wholeFlags(cpu: Cpu, name: string): Reference | undefined {
  const flags = lookUp(FLAGS_WIDTH, name);
  if (flags === undefined) return undefined;
  return {
    bits: flags,
    read: () => BigInt.asUintN(flags, BigInt(cpu.getFlags() >>> 0)),
    write: (value) => writeFlags(cpu, Number(BigInt.asUintN(flags, value))),
  };
}

function writeFlags(cpu: Cpu, flags: number): void {
  cpu.setFlagsRaw(flags);
  cpu.updateMode();
}

/** A flag of EFLAGS: its lowest bit, and how many there are. */
export interface FlagsPart {
  readonly bit: number;
  readonly width: number;
}

/** By name. */
export function flagsPart(name: string): FlagsPart | undefined {
  if (name.toUpperCase() === "IOPL") return { bit: 12, width: 2 };
  const bit = lookUp(FLAG_BITS, name.toUpperCase());
  return bit === undefined ? undefined : { bit, width: 1 };
}

function flag(cpu: Cpu, name: string): Reference | undefined {
  const part = flagsPart(name);
  return part && flagField(cpu, part.bit, part.width);
}

function flagField(cpu: Cpu, bit: number, width: number): Reference {
  const mask = (1 << width) - 1;
  return {
    bits: width,
    read: () => BigInt((cpu.getFlags() >>> bit) & mask),
    write: (value) => writeFlags(cpu, (cpu.getFlags() & ~(mask << bit)) | ((Number(value) & mask) << bit)),
  };
}

/** `ss`, and its hidden part: `ss.base`, `ss.limit`, `ss.attr`, `ss.b`, `cs.l`, `cs.d`, `ss.dpl`. ldtr and tr too. */
function segment(cpu: Cpu, name: string): Reference | undefined {
  const [register, field] = name.split(".");
  const seg = SEG[(register ?? "").toUpperCase() as keyof typeof SEG] as SegIndex | undefined;
  if (seg === undefined) return undefined;
  const at = OFF.SEG + seg * SEG_STRIDE;
  const bits = (shift: number, width: number): Reference => ({
    bits: width,
    read: () => BigInt((cpu.segAttr(seg) >>> shift) & ((1 << width) - 1)),
  });
  switch (field) {
    case undefined:
      return { bits: 16, read: () => BigInt(cpu.selector(seg)), write: (value) => writeSelector(cpu, seg, value) };
    case "base":
      return { bits: 64, read: () => cpu.get64(at + SEGF.BASE) };
    case "limit":
      return { bits: 32, read: () => BigInt(cpu.segLimit(seg) >>> 0) };
    case "attr":
      return { bits: 16, read: () => BigInt(cpu.segAttr(seg) & 0xf0ff) };
    case "type":
      return bits(0, 4);
    case "dpl":
      return bits(5, 2);
    case "p":
      return bits(7, 1);
    case "l":
      return bits(13, 1);
    case "d":
    case "b":
      return bits(14, 1);
    default:
      return undefined;
  }
}

/** A selector written by the user is loaded as the CPU would load it: through the descriptor, with every check. */
function writeSelector(cpu: Cpu, seg: SegIndex, value: bigint): void {
  try {
    loadSegment(cpu, seg, Number(value & 0xffffn));
  } catch (fault) {
    if (fault instanceof Fault) throw new RangeError(`the CPU would not load this selector: ${fault.why}`);
    throw fault;
  }
  cpu.updateMode();
}

const CONTROL: Readonly<Record<string, number>> = {
  cr2: OFF.CR2,
  cr8: OFF.CR8,
  xcr0: OFF.XCR0,
  dr0: OFF.DR,
  dr1: OFF.DR + 8,
  dr2: OFF.DR + 16,
  dr3: OFF.DR + 24,
  dr6: OFF.DR + 48,
  dr7: OFF.DR + 56,
  "gdtr.base": OFF.GDTR_BASE,
  "idtr.base": OFF.IDTR_BASE,
  efer: OFF.EFER,
  star: OFF.STAR,
  lstar: OFF.LSTAR,
  cstar: OFF.CSTAR,
  sfmask: OFF.SFMASK,
  kernel_gs_base: OFF.KERNEL_GS_BASE,
  sysenter_cs: OFF.SYSENTER_CS,
  sysenter_esp: OFF.SYSENTER_ESP,
  sysenter_eip: OFF.SYSENTER_EIP,
};
/** Written only by code that runs: a change from outside would need the whole mode change with it. */
const READ_ONLY: Readonly<Record<string, number>> = { cr0: OFF.CR0, cr3: OFF.CR3, cr4: OFF.CR4 };
const BASES: Readonly<Record<string, SegIndex>> = { fs_base: SEG.FS, gs_base: SEG.GS };

interface Status {
  readonly offset: number;
  readonly bits: 16 | 32;
  write(cpu: Cpu, value: number): void;
}

/** What governs floating point, and how it went; written as the processor would. */
const FLOATING: Readonly<Record<string, Status>> = {
  mxcsr: { offset: OFF.MXCSR, bits: 32, write: writeMxcsr },
  fcw: { offset: OFF.FCW, bits: 16, write: setControl },
  fsw: { offset: OFF.FSW, bits: 16, write: writeStatus },
  ftw: { offset: OFF.FTW, bits: 16, write: setTagWord },
};

const floating = (cpu: Cpu, { offset, bits, write }: Status): Reference => ({
  bits,
  read: () => BigInt.asUintN(bits, BigInt(cpu.get32(offset))),
  write: (value) => write(cpu, Number(BigInt.asUintN(bits, value))),
});

const MXCSR_RESERVED = 0xffff_0000;
function writeMxcsr(cpu: Cpu, value: number): void {
  if ((value & MXCSR_RESERVED) !== 0) throw new RangeError("bits 16 to 31 of MXCSR are reserved: LDMXCSR would fault");
  cpu.set32(OFF.MXCSR, value);
}

/** ES and B follow from the exceptions and their masks. */
function writeStatus(cpu: Cpu, value: number): void {
  cpu.set32(OFF.FSW, value);
  updateSummary(cpu);
}

function control(cpu: Cpu, name: string): Reference | undefined {
  if (name === "cpl") return { bits: 2, read: () => BigInt(cpu.cpl) };
  if (name === "gdtr.limit") return { bits: 16, read: () => BigInt(cpu.get32(OFF.GDTR_LIMIT) & 0xffff) };
  if (name === "idtr.limit") return { bits: 16, read: () => BigInt(cpu.get32(OFF.IDTR_LIMIT) & 0xffff) };
  const status = lookUp(FLOATING, name);
  if (status !== undefined) return floating(cpu, status);
  const base = lookUp(BASES, name);
  if (base !== undefined) return slice(cpu, OFF.SEG + base * SEG_STRIDE + SEGF.BASE, 64, 0);
  const fixed = lookUp(READ_ONLY, name);
  if (fixed !== undefined) return { bits: 64, read: () => cpu.get64(fixed) };
  const offset = lookUp(CONTROL, name);
  return offset === undefined ? undefined : slice(cpu, offset, 64, 0);
}

const SEGMENT_FIELDS = ["base", "limit", "attr", "type", "dpl", "p", "l", "d"];

/** Every name registerReference() knows, for completion: the widest first. */
export function registerNames(): string[] {
  const numbered = GPR_NAMES.slice(8);
  const legacy = GPR_NAMES.slice(0, 8).flatMap((name) => [`e${name.slice(1)}`, name.slice(1)]);
  const segments = [...SEGMENT_NAMES, "ldtr", "tr"];
  return [
    ...GPR_NAMES,
    "rip",
    "rflags",
    ...legacy,
    ...LOW_BYTES,
    ...HIGH_BYTES,
    ...["d", "w", "b"].flatMap((suffix) => numbered.map((name) => name + suffix)),
    ...["eip", "ip", "eflags", "flags"],
    ...segments,
    ...segments.flatMap((name) => SEGMENT_FIELDS.map((field) => `${name}.${field}`)),
    ...Object.keys(FLOATING),
    ...Object.keys(FLAG_BITS),
    "IOPL",
    ...["cpl", "gdtr.limit", "idtr.limit"],
    ...[READ_ONLY, CONTROL, BASES].flatMap((table) => Object.keys(table)),
    ...VECTOR_NAMES,
  ];
}

/** Width of the code that runs: what a stack word, an address and a disassembly line look like. */
export function codeBits(cpu: Cpu): 16 | 32 | 64 {
  if (isParagraphMode(cpu)) return 16;
  if (is64Bit(cpu)) return 64;
  return (cpu.segAttr(SEG.CS) & ATTR.DB) !== 0 ? 32 : 16;
}
