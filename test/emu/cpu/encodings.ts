/**
 * Bytes for any instruction that the decoder knows: opcode, prefixes and ModRM put together from the library's description, and kept
 * only if decoding gives back the same instruction. Operands are registers 0 and 7 or memory at RDI, immediates are small.
 */
import { InsnStream } from "../../../src/emu/cpu/decode.ts";
import { Code, CodeExt, EncodingKind, MandatoryPrefix, OpCodeTableKind } from "../../../src/emu/cpu/iced.ts";
import type { Insn } from "../../../src/emu/cpu/operation.ts";

export type Bits = 16 | 32 | 64;
export interface Encoding {
  readonly code: number;
  readonly bytes: readonly number[];
  readonly insn: Insn;
}

const MANDATORY: Readonly<Record<number, number | undefined>> = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
};
const PP: Readonly<Record<number, number | undefined>> = {
  [MandatoryPrefix.P66]: 1,
  [MandatoryPrefix.PF3]: 2,
  [MandatoryPrefix.PF2]: 3,
};
const ESCAPES: Readonly<Record<number, readonly number[] | undefined>> = {
  [OpCodeTableKind.Normal]: [],
  [OpCodeTableKind.T0F]: [0x0f],
  [OpCodeTableKind.T0F38]: [0x0f, 0x38],
  [OpCodeTableKind.T0F3A]: [0x0f, 0x3a],
};
const MAPS: Readonly<Record<number, number | undefined>> = {
  [OpCodeTableKind.T0F]: 1,
  [OpCodeTableKind.T0F38]: 2,
  [OpCodeTableKind.T0F3A]: 3,
};

/** All codes of real instructions. */
export const CODES: readonly number[] = Object.values(Code).filter(
  (code): code is number =>
    typeof code === "number" && code !== 0 && !(code >= Code.DeclareByte && code <= Code.DeclareQword),
);

export function decodeOne(bytes: readonly number[], bits: Bits, amd = false): Insn | undefined {
  const stream = new InsnStream(Uint8Array.from(bytes), 0, 0, { bits, stackSize: bits, real: false, amd });
  const insn = stream.next();
  stream.free();
  return insn;
}

/** ModRM bytes to try; the register forms also with the memory index register of gathers. */
function tails(group: number, rmGroup: number, memory: boolean, bits: Bits): number[][] {
  const reg = group >= 0 ? group << 3 : 0;
  const zeros = [1, 0, 0, 0, 0, 0, 0, 0, 0];
  // [di] is 5 with 16-bit addresses; SIB: [rdi + 2 * index 2].
  const inMemory = [
    [reg | (bits === 16 ? 5 : 7), ...zeros],
    [reg | 4, 0x57, ...zeros],
  ];
  const inRegister = [[0xc0 | reg | (rmGroup >= 0 ? rmGroup : 7), ...zeros]];
  // MASKMOVQ and its kin name memory that is not in ModRM.
  return memory ? [...inMemory, ...inRegister, zeros] : [...inRegister, zeros];
}

/** The encoding with a memory or without a memory operand; undefined if the mode or the code has none. */
export function encode(code: number, bits: Bits, memory: boolean): Encoding | undefined {
  const info = CodeExt.opCode(code);
  const { encoding, table, mandatoryPrefix, groupIndex, rmGroupIndex, operandSize, addressSize, W, L } = info;
  const opcode = info.opCodeLength === 2 ? [info.opCode >> 8, info.opCode & 0xff] : [info.opCode];
  const there = bits === 64 ? info.mode64 : bits === 32 ? info.mode32 : info.mode16;
  const fwait = info.fwait;
  info.free();
  if (!there || fwait) return undefined;
  const heads: number[][] = [];
  if (encoding === EncodingKind.Legacy) {
    const escapes = ESCAPES[table];
    if (!escapes) return undefined;
    const size = bits === 16 ? 16 : 32;
    const prefixes: number[] = [];
    if (operandSize !== 0 && operandSize !== 64 && operandSize !== size) prefixes.push(0x66);
    if (addressSize !== 0 && addressSize !== bits) prefixes.push(0x67);
    const mandatory = MANDATORY[mandatoryPrefix];
    if (mandatory !== undefined) prefixes.push(mandatory);
    heads.push([...prefixes, ...escapes, ...opcode]);
    if (bits === 64) heads.push([...prefixes, 0x48, ...escapes, ...opcode]);
  } else if (encoding === EncodingKind.VEX) {
    const map = MAPS[table];
    if (map === undefined) return undefined;
    for (const vvvv of [15, 12])
      heads.push([0xc4, 0xe0 | map, (W << 7) | (vvvv << 3) | (L << 2) | (PP[mandatoryPrefix] ?? 0), ...opcode]);
  } else return undefined;
  for (const head of heads) {
    for (const tail of tails(groupIndex, rmGroupIndex, memory, bits)) {
      const insn = decodeOne([...head, ...tail], bits);
      if (insn?.code !== code || insn.ops.some((op) => op.kind === "mem") !== memory) continue;
      return { code, insn, bytes: [...head, ...tail].slice(0, insn.length) };
    }
  }
  return undefined;
}
