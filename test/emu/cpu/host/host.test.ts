/**
 * Every integer form against this machine's own processor, whoever made it: same registers, memory and defined flags after one
 * instruction, on random and edge values.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Decoder, RflagsBits } from "../../../../src/emu/cpu/iced.ts";
import { ARITH_FLAGS, EFLAGS } from "../../../../src/emu/cpu/layout.ts";
import { hostVendor } from "../../../conformance/lockstep/host.ts";
import { requireTool } from "../../../tools.ts";
import { TestMachine } from "../kit.ts";
import { forms } from "./forms.ts";

const TOOLS = process.arch === "x64" && requireTool("nasm", ["-v"]) && requireTool("gcc");
const RECORD = 120;
const DATA = 56;
const CODE_AT = 88;
const DATA_ADDRESS = 0x20000;
const NAMES = ["RAX", "RBX", "RCX", "RDX", "RSI", "RDI"] as const;
const EDGES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];
const UNDEFINED: readonly (readonly [number, number])[] = [
  [RflagsBits.OF, EFLAGS.OF],
  [RflagsBits.SF, EFLAGS.SF],
  [RflagsBits.ZF, EFLAGS.ZF],
  [RflagsBits.AF, EFLAGS.AF],
  [RflagsBits.CF, EFLAGS.CF],
  [RflagsBits.PF, EFLAGS.PF],
];

let seed = 1;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return (seed >>> 8) | ((seed & 0xff) << 24);
};
const below = (n: number): number => (random() >>> 0) % n;
const value = (): bigint =>
  below(3) === 0 ? EDGES[below(EDGES.length)]! : (BigInt(random() >>> 0) << 32n) | BigInt(random() >>> 0);

function record(code: Uint8Array): Buffer {
  const b = Buffer.alloc(RECORD);
  NAMES.forEach((name, i) => void b.writeBigUInt64LE(name === "RCX" && below(2) ? BigInt(below(70)) : value(), i * 8));
  b.writeBigUInt64LE(BigInt((random() & ARITH_FLAGS) | EFLAGS.FIXED), 48);
  for (let i = 0; i < 32; i++) b[DATA + i] = random();
  b.set(code, CODE_AT);
  return b;
}

/** The record's flags when the host lacks the instruction. */
const LACKING = (1n << 64n) - 1n;
const INTEL = hostVendor() === "intel";

/** Results that the manuals leave undefined are ours on an Intel host only: a double shift of 16 bits by more than they are. */
const isDefined = (form: string, before: Buffer): boolean =>
  INTEL || !/^sh[lr]d (ax|word).*cl$/.test(form) || (before.readUInt8(16) & 31) <= 16;

function undefinedFlags(code: Uint8Array): number {
  const decoder = new Decoder(64, code, 0);
  const insn = decoder.decode();
  const undefinedBits = insn.rflagsUndefined;
  insn.free();
  decoder.free();
  return UNDEFINED.reduce((mask, [bit, flag]) => (undefinedBits & bit ? mask | flag : mask), 0);
}

/** What differs between our processor after one instruction and the host's record. */
function differences(machine: TestMachine, before: Buffer, after: Buffer, flagMask: number): string[] {
  machine.load(before.subarray(CODE_AT));
  NAMES.forEach((name, i) => void machine.set(name, name === "RDI" ? DATA_ADDRESS : before.readBigUInt64LE(i * 8)));
  for (let i = 0; i < 32; i++) machine.cpu.physWrite(DATA_ADDRESS + i, 1, before[DATA + i]!);
  machine.cpu.setFlagsRaw(Number(before.readBigUInt64LE(48)));
  machine.run(1);
  const found: string[] = [];
  NAMES.forEach((name, i) => {
    const want = name === "RDI" ? after.readBigUInt64LE(i * 8) + BigInt(DATA_ADDRESS) : after.readBigUInt64LE(i * 8);
    if (machine.get(name) !== want)
      found.push(`${name} is ${machine.get(name).toString(16)}, not ${want.toString(16)}`);
  });
  for (let i = 0; i < 32; i++)
    if (machine.read(DATA_ADDRESS + i, 1) !== after[DATA + i]) found.push(`byte ${i} of the data`);
  const flags = (machine.cpu.getFlags() ^ Number(after.readBigUInt64LE(48))) & flagMask;
  if (flags) found.push(`flags ${flags.toString(16)}`);
  return found;
}

describe.runIf(TOOLS)("one instruction, against the host", () => {
  const list = TOOLS ? forms() : [];
  const dir = mkdtempSync(path.join(tmpdir(), "ringside-host-"));
  let code: Buffer;
  beforeAll(() => {
    const source = list.map((form) => `align 32, db 0xc3\n${form}\nret`).join("\n");
    writeFileSync(path.join(dir, "forms.asm"), `bits 64\n${source}\nalign 32, db 0xc3\n`);
    execFileSync("nasm", ["-f", "bin", "-o", path.join(dir, "forms.bin"), path.join(dir, "forms.asm")]);
    execFileSync("gcc", ["-O1", "-o", path.join(dir, "runner"), path.join(import.meta.dirname, "forms-runner.c")]);
    code = readFileSync(path.join(dir, "forms.bin"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it("leaves the same registers, memory and defined flags", () => {
    const machine = new TestMachine({ bits: 64, ram: 0x100000 });
    const cases = list.flatMap((form, i) => {
      const bytes = code.subarray(i * 32, i * 32 + 32);
      const mask = ARITH_FLAGS & ~undefinedFlags(bytes);
      const befores = Array.from({ length: 12 }, () => record(bytes)).filter((before) => isDefined(form, before));
      return befores.map((before) => ({ form, mask, before }));
    });
    const input = Buffer.concat(cases.map(({ before }) => before));
    const run = spawnSync(path.join(dir, "runner"), { input, maxBuffer: input.length * 2 });
    expect(run.stdout.length).toBe(input.length);
    const failures: string[] = [];
    let compared = 0;
    cases.forEach(({ form, mask, before }, k) => {
      const after = run.stdout.subarray(k * RECORD, (k + 1) * RECORD);
      if (after.readBigUInt64LE(48) === LACKING) return;
      compared++;
      const found = differences(machine, before, after, mask);
      if (found.length > 0) failures.push(`${form}: ${found.join(", ")}`);
    });
    expect(failures).toEqual([]);
    expect(compared).toBeGreaterThan(cases.length * 0.8);
  });
});
