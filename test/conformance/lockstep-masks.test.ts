/** What the lockstep oracle does not compare: the exemptions hold for what they name, and for nothing more. Needs no host processor. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Vendor } from "../../src/emu/cpu/cpu.ts";
import { VECTOR } from "../../src/emu/cpu/fault.ts";
import { EFLAGS } from "../../src/emu/cpu/layout.ts";
import { type Entry, Supply } from "./lockstep/entries.ts";
import { EXCLUDED, formsFor } from "./lockstep/forms.ts";
import type { Bits } from "./lockstep/layout.ts";
import { foreignBytes, isChoice, REASONS, undefinedFlags, unmeasured, vendorsDiffer } from "./lockstep/masks.ts";
import { Random } from "./lockstep/random.ts";
import { implemented } from "./lockstep/run.ts";
import { signalOf } from "./lockstep/signals.ts";

/** Some entries of a mnemonic. */
function entries(name: string, bits: Bits = 64, vendor: Vendor = "intel", common = false): Entry[] {
  const forms = formsFor(bits, implemented).filter((form) => form.mnemonic === name);
  const supply = new Supply(new Random(1), bits, forms, vendor, common);
  const found: Entry[] = [];
  while (found.length < 60) {
    const entry = supply.next();
    if (entry.name === name) found.push(entry);
  }
  return found;
}

describe("lockstep's exemptions", () => {
  it("takes undefined flags from the tables", () => {
    expect(entries("Add").every((entry) => undefinedFlags(entry) === 0)).toBe(true);
    expect(entries("And").every((entry) => undefinedFlags(entry) === EFLAGS.AF)).toBe(true);
    expect(entries("Inc").every((entry) => undefinedFlags(entry) === 0)).toBe(true);
  });

  it("excuses 16-bit double shifts and OF of rotates through carry only", () => {
    for (const entry of entries("Shld")) {
      const carry = (undefinedFlags(entry) & EFLAGS.CF) !== 0;
      expect(carry).toBe(entry.insn.opSize === 16);
    }
    for (const entry of entries("Rcl")) expect(undefinedFlags(entry) & ~(EFLAGS.OF | EFLAGS.AF)).toBe(0);
  });

  it("names bytes of images, and of PUSHF one bit", () => {
    expect(foreignBytes(entries("Pushfq")[0]!)).toMatchObject([{ where: "stack", from: 1, to: 2, bits: 1 }]);
    expect(foreignBytes(entries("Mov")[0]!)).toEqual([]);
  });

  it("accepts a choice for what it is about", () => {
    const store = entries("Vmaskmovps").find((entry) => entry.insn.ops[0]?.kind === "mem")!;
    expect(isChoice(store, { signal: 0, vector: -1 }, { signal: 11 })).toBe(true);
    expect(isChoice(store, { signal: 0, vector: -1 }, { signal: 4 })).toBe(false);
    const add = entries("Add")[0]!;
    expect(isChoice(add, { signal: 11, vector: VECTOR.PF }, { signal: 11 })).toBe(false);
    expect(isChoice(add, { signal: 0, vector: -1 }, { signal: 11 })).toBe(false);
  });

  it("leaves out for the other vendor what decodes or works differently", () => {
    // A near branch with an operand-size prefix: ignored by Intel in 64-bit mode.
    const short = (entry: Entry) => entry.insn.opSize === 16;
    expect(entries("Call", 64, "amd").some(short)).toBe(true);
    expect(entries("Call", 64, "amd", true).some(short)).toBe(false);
    const pushes = entries("Push", 32);
    for (const entry of pushes) expect(vendorsDiffer(entry)).toBe(entry.insn.ops[0]?.kind === "seg");
  });

  it("leaves out on an AMD host results that only Intel's were measured for", () => {
    expect(entries("Bsf").every((entry) => unmeasured(entry, "amd") && !unmeasured(entry, "intel"))).toBe(true);
    expect(entries("Add").some((entry) => unmeasured(entry, "amd"))).toBe(false);
    for (const entry of entries("Shrd")) expect(unmeasured(entry, "amd")).toBe(entry.insn.opSize === 16);
  });
});

describe("docs/lockstep.md", () => {
  const page = readFileSync(new URL("../../docs/lockstep.md", import.meta.url), "utf8").replace(/\s+/g, " ");
  it.each(REASONS)("tells: %s", (reason) => {
    expect(page).toContain(reason);
  });
  it.each(Object.entries(EXCLUDED))("lists %s", (names, reason) => {
    expect(page).toContain(`| ${names} | ${reason} |`);
  });
});

describe("Linux's signals", () => {
  const base = { errorCode: 0, cr2: 0x1234n, ip: 0x1000n, fcw: 0x37f, fsw: 0, mxcsr: 0x1f80 };
  it.each([
    ["#DE", { vector: VECTOR.DE }, { signal: 8, code: 1, address: 0x1000n }],
    ["#PF of a page that is not there", { vector: VECTOR.PF, errorCode: 4 }, { signal: 11, code: 1, address: 0x1234n }],
    ["#PF of a page that is", { vector: VECTOR.PF, errorCode: 7 }, { signal: 11, code: 2, address: 0x1234n }],
    ["#GP", { vector: VECTOR.GP }, { signal: 11, code: 0x80, address: 0n }],
    ["#AC", { vector: VECTOR.AC }, { signal: 7, code: 1, address: 0n }],
    ["#MF by a division by zero", { vector: VECTOR.MF, fcw: 0x37b, fsw: 4 }, { signal: 8, code: 3, address: 0x1000n }],
    ["#XM by an inexact result", { vector: VECTOR.XM, mxcsr: 0x0fa0 }, { signal: 8, code: 6, address: 0x1000n }],
  ])("answers %s", (_, raised, expected) => {
    expect(signalOf({ ...base, ...raised })).toEqual(expected);
  });
});
