/** Proposes lines of assembly: every form of an instruction, with register and with memory operands, as our printer writes it. */
import { disassemble } from "../../../../src/emu/cpu/disassemble.ts";
import { CodeExt, Decoder, DecoderOptions, type Instruction } from "../../../../src/emu/cpu/iced.ts";
import { type Form, formsFor } from "../../../conformance/lockstep/forms.ts";
import { DATA_PAGE } from "../host/native.ts";
import { bitsOf, ipOf } from "./decode.ts";
import type { Dialect, Mode } from "./format.ts";
import type { Random } from "./random.ts";

export interface Proposal {
  readonly mode: Mode;
  readonly form: Form;
  readonly texts: Readonly<Record<Dialect, string>>;
}

/** Register or memory operand; LOCK and REP forms where there are such. */
const SHAPES = ["register", "memory", "lock", "rep"] as const;
type Shape = (typeof SHAPES)[number];

const ATTEMPTS = 400;
/** Where absolute addresses point, and what relative branches skip. */
const ABSOLUTE = DATA_PAGE + 0x100;
const DISTANCES = [0x20, 0x62, -0x30, -0x7e];

export const isVector = (form: Form): boolean =>
  form.vex !== undefined || /[xyz]?mm/.test(CodeExt.opCode(form.code).instructionString.toLowerCase());
export const isX87 = (form: Form): boolean => !form.vex && form.opcode.length === 1 && form.opcode[0]! >> 3 === 0x1b;

function modrm(random: Random, form: Form, mode: Mode, shape: Shape): number[] {
  const reg = form.group >= 0 ? form.group : random.below(8);
  const rm = random.below(8);
  if (shape === "register") return [0xc0 | (reg << 3) | rm];
  if (bitsOf(mode) === 16) return random.pick([[0x45 | (reg << 3), 8], [0x07 | (reg << 3)], [0x40 | (reg << 3), 0x10]]);
  const vsib = isVector(form) && CodeExt.opCode(form.code).instructionString.includes("vm");
  return vsib || random.chance(0.3) ? [0x44 | (reg << 3), 0x40 | (1 << 3) | 7, 0x10] : [0x47 | (reg << 3), 8];
}

function prefixes(random: Random, { vex, prefix, opcode }: Form, mode: Mode, shape: Shape): number[] {
  const bytes: number[] = [];
  if (shape === "lock") bytes.push(0xf0);
  if (shape === "rep") bytes.push(random.pick([0xf2, 0xf3]));
  if (vex) {
    const extend = mode === "64" ? 3 | (random.chance(0.7) ? 4 : 0) : 7;
    const vvvv = random.chance(0.4) ? 15 : 9 + random.below(6);
    const low = (vvvv << 3) | ((vex.l ?? 0) << 2) | vex.pp;
    return [0xc4, (extend << 5) | vex.map, ((vex.w ?? 0) << 7) | low, opcode.at(-1)!];
  }
  if (random.chance(0.4)) bytes.push(0x66);
  if (prefix !== undefined) bytes.push(prefix);
  if (mode === "64" && random.chance(0.6)) bytes.push(0x40 | random.pick([0, 8, 8, 4, 12, 1]));
  return [...bytes, ...opcode];
}

/** Immediates, absolute addresses and distances that suit the program. */
function patch(random: Random, decoder: Decoder, x: Instruction, bytes: Uint8Array): void {
  const offsets = decoder.getConstantOffsets(x);
  const put = (at: number, size: number, value: number) => {
    for (let i = 0; i < size; i++) bytes[at + i] = i < 4 ? value >> (i * 8) : value < 0 ? 0xff : 0;
  };
  const near = x.isJccShortOrNear || x.isJmpShortOrNear || x.isCallNear || x.isLoop || x.isLoopcc || x.isJcxShort;
  const small = [0, 1, 2, 3, 7, -1, -128, 127, 0x55];
  const values = offsets.immediateSize > 1 ? [...small, 0x7fff, -0x8000, 0x12345678] : small;
  if (near) put(offsets.immediateOffset, offsets.immediateSize, random.pick(DISTANCES));
  else if (offsets.hasImmediate) put(offsets.immediateOffset, offsets.immediateSize, random.pick(values));
  if (x.memoryBase === 0 && x.memoryIndex === 0 && offsets.hasDisplacement)
    put(offsets.displacementOffset, offsets.displacementSize, ABSOLUTE);
  offsets.free();
}

const hasMemory = (x: Instruction): boolean => x.memoryBase !== 0 || x.memoryDisplSize !== 0;

function suits(x: Instruction, shape: Shape, mode: Mode): boolean {
  if (x.isIpRelMemoryOperand || x.isCallFar || x.isJmpFar || x.isCallFarIndirect || x.isJmpFarIndirect) return false;
  if (shape === "lock") return x.hasLockPrefix && hasMemory(x);
  if (shape === "rep") return (x.hasRepPrefix || x.hasRepnePrefix) && CodeExt.opCode(x.code).canUseRepPrefix;
  if (x.hasRepPrefix || x.hasRepnePrefix || x.hasLockPrefix) return false;
  // Address-size prefixes and 16-bit stacks belong to other tests.
  return shape === "register" || (hasMemory(x) && (mode !== "16" || x.memoryDisplSize !== 4));
}

function bytesOf(random: Random, form: Form, mode: Mode, shape: Shape): Uint8Array | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const head = [...prefixes(random, form, mode, shape), ...modrm(random, form, mode, shape)];
    const bytes = Uint8Array.from([...head, ...Array.from({ length: 15 - head.length }, () => random.below(256))]);
    const decoder = new Decoder(bitsOf(mode), bytes, DecoderOptions.None);
    decoder.ip = ipOf(mode);
    const x = decoder.decode();
    try {
      if (x.code !== form.code || !suits(x, shape, mode)) continue;
      const exact = bytes.slice(0, x.length);
      patch(random, decoder, x, exact);
      return exact;
    } finally {
      x.free();
      decoder.free();
    }
  }
  return undefined;
}

/** The bytes may be another encoding of the same line: nasm and as say which one is meant. */
function proposalOf(random: Random, form: Form, mode: Mode, shape: Shape): Proposal | undefined {
  const bytes = bytesOf(random, form, mode, shape);
  if (!bytes) return undefined;
  const text = (dialect: Dialect) => disassemble(bytes, ipOf(mode), bitsOf(mode), dialect)[0]!.text;
  return { mode, form, texts: { nasm: text("nasm"), gas: text("gas") } };
}

const MODES_OF = ["64", "32", "16"] as const;

export function proposals(random: Random, accepts: (mnemonic: number) => boolean): Proposal[] {
  const found: Proposal[] = [];
  const seen = new Set<string>();
  for (const mode of MODES_OF) {
    const others = new Set<string>();
    for (const form of formsFor(bitsOf(mode), accepts)) {
      // Vectors and x87 are the same in every mode: one form outside 64-bit mode is enough.
      const common = mode !== "64" && (isVector(form) || isX87(form));
      if (common && (mode === "16" || others.has(form.mnemonic))) continue;
      if (common) others.add(form.mnemonic);
      for (const shape of SHAPES) {
        if (common && shape !== "register") continue;
        const proposal =
          proposalOf(random, form, mode, shape) ?? (common ? proposalOf(random, form, mode, "memory") : undefined);
        const key = `${mode} ${proposal?.texts.nasm}`;
        if (!proposal || seen.has(key)) continue;
        seen.add(key);
        found.push(proposal);
      }
    }
  }
  return found;
}
