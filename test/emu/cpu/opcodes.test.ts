/** The packed tables of instructions say what iced says, of every code. */
import { expect, test } from "vitest";
import { Code, CodeExt, Mnemonic } from "../../../src/emu/cpu/iced.ts";
import { OpCodes, packOpCodes } from "../../../src/emu/cpu/opcodes.ts";

const codes = Object.values(Code).filter((code) => typeof code === "number");

test("what a build packs is what iced says", () => {
  const packed = new OpCodes(packOpCodes());
  expect(codes.length).toBeGreaterThan(4900);
  for (const code of codes) {
    const { opKinds, ...facts } = packed.of(code);
    const info = CodeExt.opCode(code);
    for (const [name, value] of Object.entries(facts)) {
      const wanted = info[name as keyof typeof info];
      if (value !== wanted) expect(value, `${Code[code]}: ${name}`).toBe(wanted);
    }
    expect(opKinds).toEqual(Array.from({ length: info.opCount }, (_, i) => info.opKind(i)));
    const name = Mnemonic[info.mnemonic]!.toLowerCase();
    if (!packed.byMnemonic[name]?.includes(code)) expect.fail(`${Code[code]} is not among those of ${name}`);
    info.free();
  }
  expect(Object.values(packed.byMnemonic).flat()).toHaveLength(codes.length);
});

test("without packed tables iced is asked", () => {
  const [packed, asked] = [new OpCodes(packOpCodes()), new OpCodes("")];
  for (const code of codes.filter((_, i) => i % 97 === 0)) {
    expect(asked.of(code)).toEqual(packed.of(code));
  }
  expect(asked.byMnemonic).toEqual(packed.byMnemonic);
});
