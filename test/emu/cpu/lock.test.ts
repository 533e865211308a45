/**
 * LOCK before every encoding that the decoder knows: permitted where the manuals list it and the destination is in memory, else the bytes
 * are no instruction (#UD, as system/priority.test.ts runs some).
 */
import { describe, expect, it } from "vitest";
import { Code, CodeExt, EncodingKind, Mnemonic } from "../../../src/emu/cpu/iced.ts";
import { type Bits, CODES, decodeOne, encode } from "./encodings.ts";

const LOCKABLE = new Set(
  "Adc Add And Btc Btr Bts Cmpxchg Cmpxchg8b Cmpxchg16b Dec Inc Neg Not Or Sbb Sub Xor Xadd Xchg".split(" "),
);
const MEMORY_FIRST = /^[A-Za-z0-9]+_r?m\d+/;
/** AMD reads LOCK MOV with CR0 as CR8, outside 64-bit mode too: docs/vendors.md. */
const AMD_CR8 = /^Mov_(r(32|64)_cr|cr_r(32|64))$/;

const accepts = (bytes: readonly number[], bits: Bits, amd: boolean): boolean =>
  decodeOne([...bytes, 0, 0, 0, 0, 0, 0, 0, 0], bits, amd)!.mnemonic !== Mnemonic.INVALID;

describe.each([
  ["intel", false],
  ["amd", true],
] as const)("on %s", (_vendor, amd) => {
  describe.each([64, 32, 16] as const)("in %i-bit code", (bits) => {
    it.each([
      ["with", true],
      ["without", false],
    ] as const)("%s a memory operand", (_name, memory) => {
      const wrong: string[] = [];
      let tried = 0;
      for (const code of CODES) {
        const name = Code[code]!;
        const encoding = encode(code, bits, memory);
        if (!encoding || (amd && AMD_CR8.test(name))) continue;
        tried++;
        const permitted = memory && LOCKABLE.has(Mnemonic[encoding.insn.mnemonic]!) && MEMORY_FIRST.test(name);
        if (accepts([0xf0, ...encoding.bytes], bits, amd) !== permitted) wrong.push(name);
      }
      expect(tried).toBeGreaterThan(500);
      expect(wrong).toEqual([]);
    });
  });
});

it("no prefix that VEX replaces may come before it, nor LOCK", () => {
  const accepted: string[] = [];
  let tried = 0;
  for (const code of CODES) {
    const info = CodeExt.opCode(code);
    const { encoding } = info;
    info.free();
    const encoded = encoding === EncodingKind.VEX && (encode(code, 64, false) ?? encode(code, 64, true));
    if (!encoded) continue;
    tried++;
    for (const prefix of [0x66, 0xf2, 0xf3, 0xf0, 0x40, 0x48])
      if (accepts([prefix, ...encoded.bytes], 64, false)) accepted.push(`${prefix.toString(16)} ${Code[code]}`);
  }
  expect(tried).toBeGreaterThan(700);
  expect(accepted).toEqual([]);
});
