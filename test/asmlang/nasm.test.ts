/** NASM sources: our objects and flat files against those of `nasm`, byte for byte. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject, writeFlatBinary } from "../../src/asmlang/index.ts";
import { requireTool } from "../tools.ts";
import { describeElf } from "./elf.ts";
import { nasmOutput } from "./oracle.ts";

const folder = path.join(import.meta.dirname, "sources");
const guests = path.join(import.meta.dirname, "../bench/guests");
const sources = readdirSync(folder).filter((name) => /\.(asm|nasm)$/.test(name));
const errors = (result: { diagnostics: readonly { severity: string }[] }) =>
  result.diagnostics.filter((one) => one.severity === "error");
const hexLines = (bytes: Uint8Array) =>
  Array.from(
    { length: Math.ceil(bytes.length / 16) },
    (_, i) => `${(i * 16).toString(16)}: ${Buffer.from(bytes.subarray(i * 16, i * 16 + 16)).toString("hex")}`,
  );

describe.runIf(requireTool("nasm", ["-v"]))("NASM dialect against nasm", () => {
  it.each(sources)("%s", (name) => {
    const text = readFileSync(path.join(folder, name), "utf8");
    const flat = name.includes(".bin.");
    const bits = flat ? 16 : name.includes("32") ? 32 : 64;
    const result = assemble({ uri: `file:///${name}`, text }, { dialect: "auto", bits });
    expect(errors(result)).toEqual([]);
    if (flat) {
      const made = writeFlatBinary(result);
      expect(made.diagnostics).toEqual([]);
      expect(hexLines(made.bytes)).toEqual(hexLines(nasmOutput(text, "bin")));
    } else {
      expect(describeElf(writeElfObject(result, bits === 64))).toEqual(
        describeElf(nasmOutput(text, bits === 64 ? "elf64" : "elf32")),
      );
    }
  });

  const include = { "defs.inc": readFileSync(path.join(guests, "defs.inc"), "utf8") };
  it.each(
    ["alu", "sieve", "crc", "sys"].flatMap(
      (name) =>
        [
          [name, 32],
          [name, 64],
        ] as const,
    ),
  )("guest %s, %i-bit", (name, bits) => {
    const text = readFileSync(path.join(guests, `${name}.asm`), "utf8");
    const uri = `file:///${name}.asm`;
    const result = assemble(
      { uri, text },
      {
        dialect: "nasm",
        bits,
        defines: { BITS: bits, N: 1000 },
        include: (file) => ({ uri: `file:///${file}`, text: include["defs.inc"] + (file === "defs.inc" ? "" : "?") }),
      },
    );
    expect(errors(result)).toEqual([]);
    expect(describeElf(writeElfObject(result, bits === 64))).toEqual(
      describeElf(nasmOutput(text, bits === 64 ? "elf64" : "elf32", [`-DBITS=${bits}`, "-DN=1000"], include)),
    );
  });

  it.each([{ W_ALU: "" }, { PAGING: 1 }, {}] as Record<string, string | number>[])("guest boot %j", (extra) => {
    const text = readFileSync(path.join(guests, "boot.asm"), "utf8");
    const defines = { N: 1000, ...extra };
    const result = assemble({ uri: "file:///boot.asm", text }, { dialect: "nasm", bits: 16, defines });
    expect(errors(result)).toEqual([]);
    const made = writeFlatBinary(result);
    expect(made.diagnostics).toEqual([]);
    const expected = nasmOutput(
      text,
      "bin",
      Object.entries(defines).map(([key, value]) => `-D${key}=${value}`),
    );
    expect(hexLines(made.bytes.subarray(0, 1024))).toEqual(hexLines(expected.subarray(0, 1024)));
    expect(made.bytes.length).toBe(expected.length);
  });

  it.each([
    ["org 0x100000\nnop\nx: dw x\ndb x\ndw x-y\ny: dd x\n", 2],
    ["org 0x100000\nbits 32\nmov ax, x\nx: mov al, x\n", 2],
    ["org 0x1234567800000000\nbits 64\nmov eax, [x]\nx: dd x\nmov eax, x\n", 3],
    ["section a vstart=0x100000\nx: dw x\nsection b vstart=0x10\ndw x, x-$$\n", 2],
  ])("an address that does not fit its field is cut in a flat file: %j", (text, cut) => {
    const made = writeFlatBinary(assemble({ uri: "a.asm", text }, { dialect: "nasm", bits: 16, output: "flat" }));
    expect(made.diagnostics.map(({ severity }) => severity)).toEqual(Array.from({ length: cut }, () => "warning"));
    expect(hexLines(made.bytes)).toEqual(hexLines(nasmOutput(text, "bin")));
  });
});
