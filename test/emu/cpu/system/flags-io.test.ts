/** PUSHF, POPF, CLI, STI and port permission, by mode, CPL, IOPL, VME and PVI. */
import { describe, expect, it } from "vitest";
import { CR4 } from "../../../../src/emu/cpu/layout.ts";
import { checkPort } from "../../../../src/emu/cpu/system/flags-io.ts";
import { AT, Bench, EFLAGS, GPR, OFF, SEG, V } from "./kit.ts";

const FIXED = EFLAGS.FIXED;
const PUSHF = [0x9c];
const POPF = [0x9d];
const CLI = [0xfa];
const STI = [0xfb];
const user = (flags: number) => {
  const b = new Bench("protected");
  b.atCpl(3, "protected");
  b.setFlags(flags);
  return b;
};
const v86 = (flags: number, cr4 = 0) => {
  const b = new Bench("v86");
  b.cpu.set32(OFF.CR4, cr4);
  b.setFlags(EFLAGS.VM | flags);
  return b;
};
const popf = (b: Bench, image: number, bytes: readonly number[] = POPF) => {
  const at = AT.STACK3 - 0x40;
  b.pushAll(4, [image], at);
  return b.exec(...bytes);
};

describe("PUSHF", () => {
  it("never shows VM or RF", () => {
    const b = new Bench("protected");
    b.setFlags(EFLAGS.RF | EFLAGS.AC | EFLAGS.CF);
    b.exec(...PUSHF);
    expect(b.stack(4, 1)).toEqual([EFLAGS.AC | EFLAGS.CF | FIXED]);
  });
  it("v8086: #GP below IOPL 3, or under VME a picture with VIF as IF", () => {
    v86(0).expectFault(V.GP, 0, /PUSHF in virtual-8086 mode/, ...PUSHF);
    const b = v86(EFLAGS.VIF, CR4.VME);
    expect(b.exec(...PUSHF)).toBeUndefined();
    expect(b.stack(2, 1, 0x30ffe)).toEqual([EFLAGS.IF | EFLAGS.IOPL | FIXED]);
    v86(0, CR4.VME).expectFault(V.GP, 0, /PUSHF in virtual-8086 mode/, 0x66, ...PUSHF);
  });
});

describe("POPF", () => {
  const ALL = 0x3fffff;
  it("CPL 0: everything but VM, VIF, VIP; RF cleared", () => {
    const b = new Bench("protected");
    b.setFlags(EFLAGS.RF);
    popf(b, ALL);
    expect(b.flags).toBe(0x247fd7);
  });
  it("CPL 3, IOPL 0: neither IOPL nor IF", () => {
    const b = user(EFLAGS.IF);
    expect(popf(b, ALL & ~EFLAGS.IF)).toBeUndefined();
    expect(b.flags).toBe((0x247fd7 & ~EFLAGS.IOPL) | EFLAGS.IF);
  });
  it("CPL 3, IOPL 3: IF, not IOPL", () => {
    const b = user(EFLAGS.IOPL);
    popf(b, EFLAGS.IF);
    expect(b.flags).toBe(EFLAGS.IOPL | EFLAGS.IF | FIXED);
  });
  it("16-bit form leaves the upper half", () => {
    const b = user(EFLAGS.AC | EFLAGS.ID);
    popf(b, 0, [0x66, ...POPF]);
    expect(b.flags).toBe(EFLAGS.AC | EFLAGS.ID | FIXED);
  });
  it("VME: IF goes to VIF; TF or a pending VIP is for the monitor", () => {
    const b = v86(EFLAGS.IF, CR4.VME);
    b.write(0x31000, 2, EFLAGS.IF | EFLAGS.CF | EFLAGS.IOPL);
    expect(b.exec(...POPF)).toBeUndefined();
    expect(b.flags).toBe(EFLAGS.VM | EFLAGS.IF | EFLAGS.VIF | EFLAGS.CF | FIXED);
    const pending = v86(EFLAGS.VIP, CR4.VME);
    pending.write(0x31000, 2, EFLAGS.IF);
    pending.expectFault(V.GP, 0, /VIP is set/, ...POPF);
    pending.write(0x31000, 2, EFLAGS.TF);
    pending.expectFault(V.GP, 0, /TF in the flags image/, ...POPF);
  });
});

describe("CLI and STI", () => {
  it("work on IF when CPL <= IOPL, and #GP otherwise", () => {
    const b = user(EFLAGS.IOPL | EFLAGS.IF);
    b.exec(...CLI);
    expect(b.flags & EFLAGS.IF).toBe(0);
    b.exec(...STI);
    expect(b.flags & EFLAGS.IF).toBe(EFLAGS.IF);
    user(EFLAGS.IF).expectFault(V.GP, 0, /CLI at CPL 3 with IOPL 0/, ...CLI);
    v86(EFLAGS.IF).expectFault(V.GP, 0, /STI at CPL 3 with IOPL 0/, ...STI);
  });
  it("STI opens a shadow only if IF was clear", () => {
    const b = new Bench("protected");
    b.setFlags(EFLAGS.IF);
    b.exec(...STI);
    expect(b.cpu.get32(OFF.SHADOW_KIND)).toBe(0);
    b.setFlags(0);
    b.exec(...STI);
    expect(b.cpu.get32(OFF.SHADOW_KIND)).toBe(1);
  });
  it("VME and PVI: VIF, and #GP for STI with VIP", () => {
    for (const b of [v86(EFLAGS.IF, CR4.VME), user(EFLAGS.IF)]) {
      b.cpu.set32(OFF.CR4, CR4.VME | CR4.PVI);
      b.exec(...STI);
      expect(b.flags & (EFLAGS.VIF | EFLAGS.IF)).toBe(EFLAGS.VIF | EFLAGS.IF);
      b.exec(...CLI);
      expect(b.flags & (EFLAGS.VIF | EFLAGS.IF)).toBe(EFLAGS.IF);
      b.setFlags((b.flags & EFLAGS.VM) | EFLAGS.VIP);
      b.expectFault(V.GP, 0, /VIP is set/, ...STI);
    }
  });
});

describe("ports", () => {
  it("IN and OUT in their sizes", () => {
    const b = new Bench("protected");
    b.cpu.setGpr(GPR.RAX, 0x11223344n);
    b.exec(0xe4, 0x60);
    expect(b.cpu.gprLow(GPR.RAX)).toBe(0x112233a5);
    b.cpu.setGpr(GPR.RDX, 0x3f8n);
    b.exec(0xee);
    b.exec(0xed);
    expect(b.ports).toEqual([
      { port: 0x60, size: 1 },
      { port: 0x3f8, size: 1, value: 0xa5 },
      { port: 0x3f8, size: 4 },
    ]);
    expect(b.cpu.gprLow(GPR.RAX) >>> 0).toBe(0xa5a5a5a5);
  });
  const allow = (b: Bench, port: number) => b.write(AT.TSS + 0x200 + (port >> 3), 1, 0xff & ~(1 << (port & 7)));
  it("the bitmap decides above IOPL, for every byte of the access", () => {
    const b = user(0);
    expect(() => checkPort(b.cpu, 0x61, 1)).toThrow(expect.objectContaining({ vector: V.GP }));
    allow(b, 0x61);
    expect(() => checkPort(b.cpu, 0x61, 1)).not.toThrow();
    expect(() => checkPort(b.cpu, 0x61, 2)).toThrow();
    expect(() => checkPort(user(EFLAGS.IOPL).cpu, 0x61, 4)).not.toThrow();
  });
  it("v8086 mode always asks the bitmap", () => {
    const b = v86(EFLAGS.IOPL);
    expect(() => checkPort(b.cpu, 0x61, 1)).toThrow();
    allow(b, 0x61);
    expect(() => checkPort(b.cpu, 0x61, 1)).not.toThrow();
  });
  it("beyond the TSS's limit, and in a 16-bit TSS, everything is forbidden", () => {
    const b = user(0);
    allow(b, 0x61);
    b.cpu.set32(OFF.SEG + SEG.TR * 0x40 + 8, 0x200 + (0x61 >> 3));
    b.expectFault(V.GP, 0, /outside the TSS/, 0xe4, 0x61);
    b.cpu.set32(OFF.SEG + SEG.TR * 0x40 + 4, 0x83);
    b.expectFault(V.GP, 0, /no I\/O permission bitmap/, 0xe4, 0x61);
  });
});
