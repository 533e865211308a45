/** MONITOR, MWAIT, MONITORX, MWAITX, UMONITOR, UMWAIT and TPAUSE: what they check, and for whom. They never wait. */
import { describe, expect, it } from "vitest";
import { CR4 } from "../../../../src/emu/cpu/layout.ts";
import { Bench, EFLAGS, GPR, OFF, V, type Vendor } from "./kit.ts";

const MONITOR = [0x0f, 0x01, 0xc8];
const MWAIT = [0x0f, 0x01, 0xc9];
const MONITORX = [0x0f, 0x01, 0xfa];
const MWAITX = [0x0f, 0x01, 0xfb];
const UMONITOR = [0xf3, 0x0f, 0xae, 0xf0];
const UMWAIT = [0xf2, 0x0f, 0xae, 0xf1];
const TPAUSE = [0x66, 0x0f, 0xae, 0xf1];

function machine(vendor: Vendor = "intel", cpl: 0 | 3 = 0): Bench {
  const b = new Bench("long", vendor);
  if (cpl === 3) b.atCpl(3, "long");
  b.cpu.setGpr(GPR.RAX, 0x100000n);
  b.cpu.setGpr(GPR.RCX, 0n);
  return b;
}
const BEYOND = 0x4000_0000n;

describe.each(["intel", "amd"] as const)("MONITOR and MWAIT on %s", (vendor) => {
  it("do nothing more than check", () => {
    const b = machine(vendor);
    expect(b.exec(...MONITOR)).toBeUndefined();
    expect(b.exec(...MWAIT)).toBeUndefined();
    expect(b.cpu.get32(OFF.ACTIVITY)).toBe(0);
  });
  it("CPL 0 only, and #UD elsewhere", () => {
    machine(vendor, 3).expectFault(V.UD, 0, /MONITOR at CPL 3/, ...MONITOR);
    machine(vendor, 3).expectFault(V.UD, 0, /MWAIT at CPL 3/, ...MWAIT);
  });
  it("ECX: MONITOR knows no extension, MWAIT one", () => {
    const b = machine(vendor);
    b.cpu.setGpr(GPR.RCX, 1n);
    b.expectFault(V.GP, 0, /extensions/, ...MONITOR);
    expect(b.exec(...MWAIT)).toBeUndefined();
    b.cpu.setGpr(GPR.RCX, 2n);
    b.expectFault(V.GP, 0, /extensions/, ...MWAIT);
  });
  it("the address is checked as a load", () => {
    const b = machine(vendor);
    b.cpu.setGpr(GPR.RAX, BEYOND);
    expect(b.exec(...MONITOR)?.vector).toBe(V.PF);
    b.cpu.setGpr(GPR.RAX, 1n << 47n);
    b.expectFault(V.GP, 0, /canonical/, ...MONITOR);
  });
});

describe("MONITORX and MWAITX", () => {
  it("are AMD's, for every CPL", () => {
    for (const code of [MONITORX, MWAITX]) {
      expect(machine("amd", 3).exec(...code)).toBeUndefined();
      machine("intel").expectFault(V.UD, 0, /ECX bit 29 is clear/, ...code);
    }
  });
  it("MWAITX knows the time limit", () => {
    const b = machine("amd");
    b.cpu.setGpr(GPR.RCX, 3n);
    expect(b.exec(...MWAITX)).toBeUndefined();
    b.cpu.setGpr(GPR.RCX, 4n);
    b.expectFault(V.GP, 0, /extensions/, ...MWAITX);
  });
});

describe("UMONITOR, UMWAIT, TPAUSE", () => {
  it("are Intel's, for every CPL", () => {
    for (const code of [UMONITOR, UMWAIT, TPAUSE]) {
      expect(machine("intel", 3).exec(...code)).toBeUndefined();
      machine("amd").expectFault(V.UD, 0, /ECX bit 5 is clear/, ...code);
    }
  });
  it("clear all six flags: no time limit has passed", () => {
    const b = machine();
    b.setFlags(EFLAGS.FIXED | EFLAGS.CF | EFLAGS.ZF | EFLAGS.OF | EFLAGS.IF);
    expect(b.exec(...UMWAIT)).toBeUndefined();
    expect(b.flags).toBe(EFLAGS.FIXED | EFLAGS.IF);
  });
  it("reserved bits, and CR4.TSD above CPL 0", () => {
    for (const code of [UMWAIT, TPAUSE]) {
      const b = machine("intel", 3);
      b.cpu.setGpr(GPR.RCX, 2n);
      b.expectFault(V.GP, 0, /reserved bits/, ...code);
      b.cpu.setGpr(GPR.RCX, 1n);
      expect(b.exec(...code)).toBeUndefined();
      b.cpu.set32(OFF.CR4, b.cpu.get32(OFF.CR4) | CR4.TSD);
      b.expectFault(V.GP, 0, /TSD/, ...code);
    }
  });
});
