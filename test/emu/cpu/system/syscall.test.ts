/** SYSCALL, SYSRET, SYSENTER, SYSEXIT on both vendors. */
import { describe, expect, it } from "vitest";
import { AT, Bench, EFLAGS, GPR, INSN, OFF, SEG, SEG_NULL, V, VENDORS, type Vendor } from "./kit.ts";

const { SYSCALL, SYSRET, SYSRETQ, SYSENTER, SYSEXIT, SYSEXITQ } = INSN;
const KERNEL = 0xffff_ffff_8100_0000n;
const FIXED = EFLAGS.FIXED;

function machine(mode: "long" | "compat" | "protected", cpl: 0 | 3, vendor: Vendor = "intel"): Bench {
  const b = new Bench(mode, vendor);
  b.atCpl(cpl, mode);
  b.cpu.set64(OFF.STAR, 0x0023_0010_0005_1234n);
  b.cpu.set64(OFF.LSTAR, KERNEL);
  b.cpu.set64(OFF.CSTAR, KERNEL + 0x100n);
  b.cpu.set64(OFF.SFMASK, BigInt(EFLAGS.IF | EFLAGS.TF));
  b.cpu.set32(OFF.EFER, b.cpu.get32(OFF.EFER) | 1);
  b.cpu.set64(OFF.SYSENTER_CS, 0x60n);
  b.cpu.set64(OFF.SYSENTER_ESP, KERNEL + 0x8000n);
  b.cpu.set64(OFF.SYSENTER_EIP, KERNEL);
  return b;
}
const hidden = (b: Bench, seg: 1 | 2) => [
  b.cpu.selector(seg),
  b.cpu.segAttr(seg),
  b.cpu.segBase(seg),
  b.cpu.segLimit(seg),
];

describe("SYSCALL", () => {
  it.each(VENDORS)("64-bit mode (%s)", (vendor) => {
    const b = machine("long", 3, vendor);
    b.setFlags(EFLAGS.IF | EFLAGS.CF | EFLAGS.RF);
    expect(b.exec(...SYSCALL)).toBeUndefined();
    expect([b.cpu.rip, b.cpu.gpr(GPR.RCX)]).toEqual([KERNEL, BigInt(AT.CODE + 2)]);
    expect([b.cpu.gpr(GPR.R11), b.flags]).toEqual([BigInt(EFLAGS.IF | EFLAGS.CF | FIXED), EFLAGS.CF | FIXED]);
    expect(hidden(b, SEG.CS)).toEqual([0x10, 0xa09b, 0, 0xffffffff]);
    expect(hidden(b, SEG.SS)).toEqual([0x18, 0xc093, 0, 0xffffffff]);
    expect([b.cpu.cpl, b.rsp]).toEqual([0, AT.STACK3]);
    expect(b.events).toEqual([{ kind: "syscall", fromCpl: 3, toCpl: 0, fromIp: AT.CODE, toIp: -0x7f000000 }]);
  });
  it("compatibility mode: CSTAR on AMD, #UD on Intel", () => {
    const amd = machine("compat", 3, "amd");
    expect(amd.exec(...SYSCALL)).toBeUndefined();
    expect([amd.cpu.rip, amd.cpu.mode & 3]).toEqual([KERNEL + 0x100n, 2]);
    machine("compat", 3).expectFault(V.UD, 0, /outside 64-bit mode/, ...SYSCALL);
  });
  it("legacy mode on AMD: EIP from STAR, TF and ESP as they were", () => {
    const b = machine("protected", 3, "amd");
    b.setFlags(EFLAGS.IF | EFLAGS.TF);
    expect(b.exec(...SYSCALL)).toBeUndefined();
    expect([b.rip, b.cpu.gprLow(GPR.RCX), b.rsp, b.flags]).toEqual([
      0x51234,
      AT.CODE + 2,
      AT.STACK3,
      EFLAGS.TF | FIXED,
    ]);
    expect(hidden(b, SEG.CS)).toEqual([0x10, 0xc09b, 0, 0xffffffff]);
  });
  it.each(VENDORS)("#UD with EFER.SCE clear (%s)", (vendor) => {
    const b = machine("long", 3, vendor);
    b.cpu.set32(OFF.EFER, b.cpu.get32(OFF.EFER) & ~1);
    b.expectFault(V.UD, 0, /SCE clear/, ...SYSCALL);
  });
});

describe("SYSRET", () => {
  const ready = (vendor: Vendor, rip = 0x1234n) => {
    const b = machine("long", 0, vendor);
    b.cpu.setGpr(GPR.RCX, rip);
    b.cpu.setGpr(GPR.R11, 0xffffffffn);
    return b;
  };
  it.each(VENDORS)("to 64-bit code (%s): RF and VM not from R11", (vendor) => {
    const b = ready(vendor);
    expect(b.exec(...SYSRETQ)).toBeUndefined();
    expect([b.rip, b.cpu.cpl, b.flags]).toEqual([0x1234, 3, 0x3c7fd7]);
    expect(hidden(b, SEG.CS)).toEqual([0x33, 0xa0fb, 0, 0xffffffff]);
  });
  it.each(VENDORS)("to compatibility code (%s)", (vendor) => {
    const b = ready(vendor, 0x55_0000_1234n);
    expect(b.exec(...SYSRET)).toBeUndefined();
    expect([b.rip, b.cpu.mode & 3]).toEqual([0x1234, 1]);
    expect(hidden(b, SEG.CS)).toEqual([0x23, 0xc0fb, 0, 0xffffffff]);
  });
  it("Intel loads all of SS; AMD leaves a null SS unusable (sysret_ss_attrs)", () => {
    const intel = ready("intel");
    intel.null(SEG.SS);
    intel.exec(...SYSRET);
    expect(hidden(intel, SEG.SS)).toEqual([0x2b, 0xc0f3, 0, 0xffffffff]);
    const amd = ready("amd");
    amd.null(SEG.SS);
    amd.exec(...SYSRET);
    expect([amd.cpu.selector(SEG.SS), amd.cpu.segAttr(SEG.SS) & SEG_NULL]).toEqual([0x2b, SEG_NULL]);
    expect(() => amd.cpu.push(4, 0)).toThrow(expect.objectContaining({ vector: V.SS }));
  });
  it("non-canonical RCX: #GP(0) in ring 0 on Intel; on AMD the RIP is taken, at CPL 3", () => {
    ready("intel", 1n << 47n).expectFault(V.GP, 0, /RCX.*not canonical/, ...SYSRETQ);
    const amd = ready("amd", 1n << 47n);
    expect(amd.exec(...SYSRETQ)).toBeUndefined();
    expect([amd.cpu.rip, amd.cpu.cpl]).toEqual([1n << 47n, 3]);
  });
  it.each(VENDORS)("#GP(0) at CPL 3, #UD without SCE (%s)", (vendor) => {
    const b = machine("long", 3, vendor);
    b.expectFault(V.GP, 0, /SYSRET at CPL 3/, ...SYSRETQ);
    b.cpu.set32(OFF.EFER, b.cpu.get32(OFF.EFER) & ~1);
    b.expectFault(V.UD, 0, /SCE clear/, ...SYSRETQ);
  });
  it("AMD, legacy mode: sets IF and nothing else", () => {
    const b = machine("protected", 0, "amd");
    b.cpu.setGpr(GPR.RCX, 0x1234n);
    b.setFlags(EFLAGS.CF);
    expect(b.exec(...SYSRET)).toBeUndefined();
    expect([b.rip, b.cpu.cpl, b.flags]).toEqual([0x1234, 3, EFLAGS.CF | EFLAGS.IF | FIXED]);
    machine("protected", 0, "intel").expectFault(V.UD, 0, /Intel/, ...SYSRET);
  });
});

describe("SYSENTER", () => {
  it("long mode on Intel: 64-bit targets", () => {
    const b = machine("compat", 3);
    b.setFlags(EFLAGS.IF | EFLAGS.TF);
    expect(b.exec(...SYSENTER)).toBeUndefined();
    expect([b.cpu.rip, b.cpu.gpr(GPR.RSP), b.flags, b.cpu.cpl]).toEqual([
      KERNEL,
      KERNEL + 0x8000n,
      EFLAGS.TF | FIXED,
      0,
    ]);
    expect(hidden(b, SEG.CS)).toEqual([0x60, 0xa09b, 0, 0xffffffff]);
    expect(hidden(b, SEG.SS)).toEqual([0x68, 0xc093, 0, 0xffffffff]);
  });
  it.each(VENDORS)("legacy mode (%s): 32-bit targets", (vendor) => {
    const b = machine("protected", 3, vendor);
    expect(b.exec(...SYSENTER)).toBeUndefined();
    expect([b.rip, b.rsp]).toEqual([0x81000000, 0x81008000]);
    expect(hidden(b, SEG.CS)).toEqual([0x60, 0xc09b, 0, 0xffffffff]);
  });
  it("from v8086 mode clears VM", () => {
    const b = new Bench("v86");
    b.cpu.set64(OFF.SYSENTER_CS, 0x60n);
    expect(b.exec(...SYSENTER)).toBeUndefined();
    expect([b.flags & EFLAGS.VM, b.cpu.cpl]).toEqual([0, 0]);
  });
  it("#GP(0) with a null CS; #UD in long mode on AMD; #GP(0) in real mode", () => {
    const b = machine("protected", 3);
    b.cpu.set64(OFF.SYSENTER_CS, 3n);
    b.expectFault(V.GP, 0, /null IA32_SYSENTER_CS/, ...SYSENTER);
    machine("compat", 3, "amd").expectFault(V.UD, 0, /AMD/, ...SYSENTER);
    machine("long", 3, "amd").expectFault(V.UD, 0, /AMD/, ...SYSENTER);
    new Bench("real").expectFault(V.GP, 0, /real mode/, ...SYSENTER);
  });
});

describe("SYSEXIT", () => {
  const ready = (mode: "long" | "protected") => {
    const b = machine(mode, 0);
    b.cpu.setGpr(GPR.RDX, 0x1234n);
    b.cpu.setGpr(GPR.RCX, 0x3ff00n);
    return b;
  };
  it("to 32-bit code", () => {
    const b = ready("protected");
    expect(b.exec(...SYSEXIT)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.cpl]).toEqual([0x1234, 0x3ff00, 3]);
    expect(hidden(b, SEG.CS)).toEqual([0x73, 0xc0fb, 0, 0xffffffff]);
    expect(hidden(b, SEG.SS)).toEqual([0x7b, 0xc0f3, 0, 0xffffffff]);
  });
  it("to 64-bit code, whose addresses must be canonical", () => {
    const b = ready("long");
    b.cpu.setGpr(GPR.RDX, 1n << 50n);
    b.expectFault(V.GP, 0, /RDX.*not canonical/, ...SYSEXITQ);
    b.cpu.setGpr(GPR.RDX, 0x1234n);
    expect(b.exec(...SYSEXITQ)).toBeUndefined();
    expect(hidden(b, SEG.CS)).toEqual([0x83, 0xa0fb, 0, 0xffffffff]);
  });
  it("#GP(0) above CPL 0", () => {
    machine("protected", 3).expectFault(V.GP, 0, /SYSEXIT at CPL 3/, ...SYSEXIT);
  });
});
