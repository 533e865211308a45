/**
 * CPUID and the instructions agree: each encoding that the decoder knows is executed; it raises #UD in every mode if the processor does
 * not report its feature, and does something else in at least one if it does.
 */
import { describe, expect, it } from "vitest";
import { Code } from "../../../../src/emu/cpu/iced.ts";
import { CR4, GPR, OFF } from "../../../../src/emu/cpu/layout.ts";
import { FEATURES } from "../../../../src/emu/cpu/system/cpuid-data.ts";
import { CODES, encode } from "../encodings.ts";
import { announcedOn, featuresOf, NAMED_FEATURES } from "../features.ts";
import { AT, Bench, handler, V, VENDORS, type Vendor } from "./kit.ts";

/** Control bits, page-table bits and modes: no instructions of their own. */
const WITHOUT = new Set(
  "fpu vme de pse pae mce pge pat pse36 smep erms umip fsrm lahf64 nx pdpe1gb cldemote prefetchiti fdpexcptnonly nofcsfds xsaveerptr lmsleunsupported".split(
    " ",
  ),
);

function machine(bits: 32 | 64, vendor: Vendor): Bench {
  const bench = new Bench(bits === 64 ? "long" : "protected", vendor);
  const { cpu } = bench;
  cpu.set32(OFF.CR4, cpu.get32(OFF.CR4) | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE | CR4.FSGSBASE);
  cpu.set64(OFF.XCR0, 7n);
  cpu.set32(OFF.FCW, 0x37f);
  cpu.set32(OFF.FTW, 0xffff);
  cpu.set32(OFF.MXCSR, 0x1f80);
  cpu.setGpr(GPR.RDI, 0x100000n);
  cpu.updateMode();
  return bench;
}

/** Undefined by design, or outside system-management mode; SYSEXITQ needs 64-bit mode, in which AMD has no SYSEXIT. */
const ALWAYS_UNDEFINED: Readonly<Record<Vendor, RegExp>> = {
  intel: /^(Ud[012]|Rsm)/,
  amd: /^(Ud[012]|Rsm|Sysexitq)/,
};

const runs = (vendor: Vendor) => {
  const tries = ([64, 32] as const).map((bits) => {
    const bench = machine(bits, vendor);
    return { bits, bench, reset: bench.saved() };
  });
  return (code: number): { tried: number; undefinedIn: number } => {
    let tried = 0;
    let undefinedIn = 0;
    for (const { bits, bench, reset } of tries) {
      for (const memory of [true, false]) {
        const encoding = encode(code, bits, memory);
        if (!encoding) continue;
        reset();
        encoding.bytes.forEach((byte, i) => void bench.write(AT.CODE + i, 1, byte));
        bench.cpu.flushCode();
        bench.cpu.run(1);
        tried++;
        if (bench.rip === handler(V.UD)) undefinedIn++;
      }
    }
    return { tried, undefinedIn };
  };
};

describe.each(VENDORS)("on %s", (vendor) => {
  const run = runs(vendor);
  const executed = CODES.map((code) => ({ code, name: Code[code]!, ...run(code) })).filter(
    ({ tried, name }) => tried > 0 && !ALWAYS_UNDEFINED[vendor].test(name),
  );
  const label = ({ code, name }: { code: number; name: string }) => `${featuresOf(code).join(" and ")}: ${name}`;

  it("what CPUID reports is there", () => {
    const missing = executed.filter(
      ({ code, name, tried, undefinedIn }) => announcedOn(code, name).includes(vendor) && undefinedIn === tried,
    );
    expect(missing.map(label)).toEqual([]);
    expect(executed.length).toBeGreaterThan(2600);
  });
  it("what it does not report is #UD", () => {
    const extra = executed.filter(
      ({ code, name, tried, undefinedIn }) => !announcedOn(code, name).includes(vendor) && undefinedIn < tried,
    );
    expect(extra.map(label)).toEqual([]);
  });
});

it("every feature of the table has instructions, or is known to have none", () => {
  const names = new Set(FEATURES.map(({ name }) => name));
  expect([...names].filter((name) => !WITHOUT.has(name) && !NAMED_FEATURES.has(name))).toEqual([]);
  expect([...NAMED_FEATURES].filter((name) => !names.has(name))).toEqual([]);
});
