/** iced as a bundle carries it: with its tables unpacked by the build, and otherwise the package's own. */
import * as esbuild from "esbuild";
import plain from "iced-x86";
import { beforeAll, expect, test } from "vitest";
import { embeddedIced } from "../../../scripts/iced-plugin.mjs";

type Iced = typeof plain & { readonly __wasm: { readonly memory: WebAssembly.Memory } };
let bundled: Iced;
/** Bytes of memory that the first decoder takes. */
let grown: number;

beforeAll(async () => {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: 'module.exports = require("iced-x86")', resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    platform: "node",
    target: "node20",
    format: "cjs",
    plugins: [embeddedIced],
  });
  const module = { exports: {} };
  new Function("module", "require", outputFiles[0]!.text)(module, require);
  bundled = module.exports as Iced;
  const { memory } = bundled.__wasm;
  const before = memory.buffer.byteLength;
  new bundled.Decoder(64, Uint8Array.of(0x90), bundled.DecoderOptions.None).decode();
  grown = memory.buffer.byteLength - before;
});

/** Each instruction of a stretch of bytes: its text, length and code. */
function decoded(iced: typeof plain, bits: number, bytes: Uint8Array): string[] {
  const decoder = new iced.Decoder(bits, bytes, iced.DecoderOptions.None);
  const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
  const lines: string[] = [];
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    lines.push(`${formatter.format(instruction)} ${instruction.length} ${iced.Code[instruction.code]}`);
    instruction.free();
  }
  formatter.free();
  decoder.free();
  return lines;
}

/** Every opcode of every map, by way of each kind of prefix, with bytes behind it that differ. */
function everyOpcode(): Uint8Array {
  const escapes = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a], [0x66, 0x0f], [0xf3, 0x0f], [0xf2, 0x0f], [0xc5, 0xf8]];
  const wide = [1, 2, 3].map((map) => [0xc4, 0xe0 | map, 0x79]);
  const evex = [1, 2, 3, 5, 6].map((map) => [0x62, 0xf0 | map, 0x7d, 0x48]);
  const xop = [8, 9, 10].map((map) => [0x8f, 0xe0 | map, 0x78]);
  const bytes: number[] = [];
  for (const prefix of [...escapes, ...wide, ...evex, ...xop])
    for (let opcode = 0; opcode < 256; opcode++) bytes.push(...prefix, opcode, (opcode * 37) & 0xff, opcode ^ 0x55);
  return Uint8Array.from(bytes);
}

test.each([16, 32, 64])("in %i-bit code it decodes and prints what the package does", (bits) => {
  const bytes = everyOpcode();
  const expected = decoded(plain, bits, bytes);
  expect(new Set(expected).size).toBeGreaterThan(3000);
  expect(decoded(bundled, bits, bytes)).toEqual(expected);
});

test("its decoder's tables are there before it is used", () => {
  expect(grown).toBe(0);
});
