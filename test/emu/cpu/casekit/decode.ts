/** What the decoder's library says of a case's bytes. */
import { Decoder, DecoderOptions, Mnemonic, RflagsBits } from "../../../../src/emu/cpu/iced.ts";
import { CODE_PAGE } from "../host/native.ts";
import type { Mode } from "./format.ts";
import { CODE_OFFSET, codeBase, is16 } from "./state.ts";

export const bitsOf = (mode: Mode): 16 | 32 | 64 => (mode === "64" ? 64 : is16(mode) ? 16 : 32);
export const ipOf = (mode: Mode): bigint => BigInt(CODE_PAGE - codeBase(mode) + CODE_OFFSET);

export interface Decoded {
  readonly mnemonic: string;
  readonly length: number;
  /** Names of the flags and of the x87 condition codes that it leaves undefined. */
  readonly undefined: readonly string[];
}

const FLAGS: readonly (readonly [number, string])[] = [
  [RflagsBits.CF, "cf"],
  [RflagsBits.PF, "pf"],
  [RflagsBits.AF, "af"],
  [RflagsBits.ZF, "zf"],
  [RflagsBits.SF, "sf"],
  [RflagsBits.OF, "of"],
  [RflagsBits.C0, "c0"],
  [RflagsBits.C1, "c1"],
  [RflagsBits.C2, "c2"],
  [RflagsBits.C3, "c3"],
];

export function decode(bytes: Uint8Array, mode: Mode): Decoded {
  const decoder = new Decoder(bitsOf(mode), bytes, DecoderOptions.None);
  decoder.ip = ipOf(mode);
  const x = decoder.decode();
  const bits = x.rflagsUndefined;
  const decoded = {
    mnemonic: Mnemonic[x.mnemonic]!,
    length: x.length,
    undefined: FLAGS.filter(([bit]) => bits & bit).map(([, name]) => name),
  };
  x.free();
  decoder.free();
  return decoded;
}
