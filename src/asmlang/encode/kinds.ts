/**
 * What iced's operand kinds mean to an encoder: which operands fit, and where in the instruction they go.
 * The kinds' names are regular ("r32_or_mem", "imm8sex64", "xmm_vvvv"), so they are read rather than listed.
 */
import { OpCodeOperandKind, Register } from "../../emu/cpu/iced.ts";
import type { RegClass } from "./registers.ts";

export type Place =
  | "reg" // ModRM.reg
  | "rm" // ModRM.rm: a register, or memory with SIB and displacement
  | "opcode" // low three bits of the opcode
  | "vvvv"
  | "is4" // high half of the last immediate byte
  | "imm"
  | "moffs"
  | "rel"
  | "far"
  | "implied"; // named by the opcode itself

/** MPX wants no 16-bit addresses; mib: base and index are two values, so they stay where they are; sib: with a SIB byte. */
export type Addressing = "mpx" | "mib" | "sib";

export interface Slot {
  readonly place: Place;
  /** Register class that fits, and whether memory fits. */
  readonly reg: RegClass | undefined;
  readonly mem: boolean;
  /** Just this register (0: any of the class). */
  readonly only: number;
  /** imm: bytes in the instruction; rel: likewise. */
  readonly bytes: number;
  /** imm: bits it is sign-extended to (0: taken as it is). */
  readonly extend: number;
  /** imm: the one value that fits ("shift by 1"). */
  readonly constant: bigint | undefined;
  /** Memory operand that the opcode implies: string instructions, XLAT, MASKMOV. */
  readonly string: "si" | "di" | "bx" | undefined;
  readonly vsib: RegClass | undefined;
  /** 16-bit displacement-free forms may not use it: MPX addressing, or a SIB byte is a must. */
  readonly addressing: Addressing | undefined;
  /** The register's width is the address size, not the operand size (MOVDIR64B, ENQCMD). */
  readonly addressSized: boolean;
}

const EMPTY: Slot = {
  place: "implied",
  reg: undefined,
  mem: false,
  only: 0,
  bytes: 0,
  extend: 0,
  constant: undefined,
  string: undefined,
  vsib: undefined,
  addressing: undefined,
  addressSized: false,
};

const STRINGS: Readonly<Record<string, Slot["string"]>> = {
  seg_rSI: "si",
  es_rDI: "di",
  seg_rDI: "di",
  seg_rBX_al: "bx",
};
const PLACES: Readonly<Record<string, Place>> = {
  reg: "reg",
  rm: "rm",
  opcode: "opcode",
  vvvv: "vvvv",
  is4: "is4",
  is5: "is4",
};
const FIXED = ["es", "cs", "ss", "ds", "fs", "gs", "al", "cl", "ax", "dx", "eax", "rax", "st0"];

function memorySlot(name: string): Slot | undefined {
  const string = STRINGS[name];
  if (string !== undefined) return { ...EMPTY, mem: true, string };
  if (name === "mem_offs") return { ...EMPTY, mem: true, place: "moffs" };
  const vsib = /^mem_vsib\d\d([xyz])$/.exec(name);
  if (vsib) return { ...EMPTY, mem: true, place: "rm", vsib: `${vsib[1]}mm` as RegClass };
  if (name === "mem") return { ...EMPTY, mem: true, place: "rm" };
  if (name === "mem_mpx") return { ...EMPTY, mem: true, place: "rm", addressing: "mpx" };
  if (name === "mem_mib") return { ...EMPTY, mem: true, place: "rm", addressing: "mib" };
  if (name === "sibmem") return { ...EMPTY, mem: true, place: "rm", addressing: "sib" };
  return undefined;
}

function registerSlot(name: string): Slot | undefined {
  const either = /^([a-z]+\d*)_or_mem(_mpx)?$/.exec(name);
  if (either) {
    return { ...EMPTY, place: "rm", mem: true, reg: either[1] as RegClass, addressing: either[2] ? "mpx" : undefined };
  }
  if (FIXED.includes(name)) {
    const only = (Register as unknown as Record<string, number>)[name.toUpperCase()]!;
    return { ...EMPTY, only };
  }
  const plain = /^([a-z]+?\d*?)(p[13])?_(reg|rm|opcode|vvvv|is4|is5)(_mem)?$/.exec(name);
  if (!plain) return undefined;
  const reg = (plain[1] === "sti" ? "st" : plain[1]) as RegClass;
  return { ...EMPTY, place: PLACES[plain[3]!]!, reg, addressSized: plain[4] !== undefined };
}

function immediateSlot(name: string): Slot | undefined {
  if (name === "imm8_const_1") return { ...EMPTY, constant: 1n };
  if (name === "imm4_m2z") return { ...EMPTY, place: "imm", bytes: 1 };
  const imm = /^imm(\d+)(?:sex(\d+))?$/.exec(name);
  if (imm) return { ...EMPTY, place: "imm", bytes: Number(imm[1]) / 8, extend: imm[2] ? Number(imm[2]) : 0 };
  const rel = /^(?:br\d\d|xbegin|brdisp)_(\d)$/.exec(name);
  if (rel) return { ...EMPTY, place: "rel", bytes: Number(rel[1]) };
  const far = /^farbr(\d)_2$/.exec(name);
  if (far) return { ...EMPTY, place: "far", bytes: Number(far[1]) };
  return undefined;
}

function build(): readonly Slot[] {
  const slots: Slot[] = [];
  const kinds = OpCodeOperandKind as unknown as Record<string, number>;
  for (const name of Object.keys(kinds)) {
    const value = kinds[name]!;
    if (typeof value !== "number") continue;
    slots[value] = memorySlot(name) ?? registerSlot(name) ?? immediateSlot(name) ?? EMPTY;
  }
  return slots;
}

const SLOTS = build();

export function slotOfKind(kind: number): Slot {
  return SLOTS[kind] ?? EMPTY;
}
