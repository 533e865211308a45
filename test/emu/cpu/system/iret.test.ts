/** IRET in every direction: what it loads, what it refuses, and what stays when it refuses. */
import { describe, expect, it } from "vitest";
import { AT, Bench, EFLAGS, GPR, INSN, OFF, S, SEG, SEG_NULL, V, VENDORS } from "./kit.ts";

const { IRETW, IRETD, IRETQ } = INSN;
const at0 = AT.STACK0 - 0x40;
const FIXED = EFLAGS.FIXED;

describe("real mode", () => {
  it("IRET pops IP, CS and all 16 flags", () => {
    const b = new Bench("real");
    b.pushAll(2, [0x1234, 0x2000, 0x7fd7], 0x800);
    expect(b.exec(0xcf)).toBeUndefined();
    expect(b.rip).toBe(0x1234);
    expect(b.cpu.selector(SEG.CS)).toBe(0x2000);
    expect(b.cpu.segBase(SEG.CS)).toBe(0x20000);
    expect(b.flags).toBe(0x7fd7);
    expect(b.rsp).toBe(0x806);
  });
  it("IRETD keeps VM, VIF and VIP", () => {
    const b = new Bench("real");
    b.pushAll(4, [0x1234, 0x2000, 0xffffffff], 0x800);
    expect(b.exec(0x66, 0xcf)).toBeUndefined();
    expect(b.flags).toBe(0x257fd7);
    expect(b.rsp).toBe(0x80c);
  });
  it("an offset above the limit is #GP(0)", () => {
    const b = new Bench("real");
    b.pushAll(4, [0x12340, 0x2000, 0], 0x800);
    b.expectFault(V.GP, 0, /outside the code segment's limit/, 0x66, 0xcf);
  });
});

describe("virtual-8086 mode", () => {
  it("with IOPL 3 stays there, IOPL and VM unchanged", () => {
    const b = new Bench("v86");
    b.setFlags(EFLAGS.VM | EFLAGS.IOPL);
    b.pushAll(2, [0x1234, 0x2100, EFLAGS.CF], 0x31000);
    b.cpu.setGpr(GPR.RSP, 0x1000n);
    expect(b.exec(0xcf)).toBeUndefined();
    expect(b.rip).toBe(0x1234);
    expect(b.cpu.segBase(SEG.CS)).toBe(0x21000);
    expect(b.flags).toBe(EFLAGS.VM | EFLAGS.IOPL | EFLAGS.CF | FIXED);
    expect(b.cpu.cpl).toBe(3);
  });
  it("with IOPL below 3 is #GP(0) for the monitor", () => {
    new Bench("v86").expectFault(V.GP, 0, /virtual-8086 mode with IOPL below 3/, 0xcf);
  });
  it("under VME loads VIF from the image's IF", () => {
    const b = new Bench("v86");
    b.cpu.set32(OFF.CR4, 1);
    b.pushAll(2, [0x1234, 0x2100, EFLAGS.IF | EFLAGS.ZF], 0x31000);
    b.cpu.setGpr(GPR.RSP, 0x1000n);
    expect(b.exec(0xcf)).toBeUndefined();
    expect(b.flags).toBe(EFLAGS.VM | EFLAGS.IF | EFLAGS.VIF | EFLAGS.ZF | FIXED);
  });
  it("under VME refuses TF, IF with VIP pending, and the 32-bit form", () => {
    const b = new Bench("v86");
    b.cpu.set32(OFF.CR4, 1);
    b.pushAll(2, [0x1234, 0x2100, EFLAGS.TF], 0x31000);
    b.cpu.setGpr(GPR.RSP, 0x1000n);
    b.expectFault(V.GP, 0, /TF in the flags image/, 0xcf);
    b.setFlags(EFLAGS.VM | EFLAGS.VIP);
    b.write(0x31004, 2, EFLAGS.IF);
    b.expectFault(V.GP, 0, /VIP is set/, 0xcf);
    b.expectFault(V.GP, 0, /IOPL below 3/, 0x66, 0xcf);
  });
});

describe("protected mode, same privilege", () => {
  it("CPL 0 loads every flag but VM", () => {
    const b = new Bench("protected");
    b.pushAll(4, [0x1234, S.CODE0, 0x3fffff & ~EFLAGS.VM], at0);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.cpl]).toEqual([0x1234, at0 + 12, 0]);
    expect(b.flags).toBe(0x3d7fd7);
  });
  it("CPL 3 with IOPL 0 changes neither IF nor IOPL nor VIF nor VIP", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    b.pushAll(4, [0x1234, S.CODE3 | 3, 0x3fffff & ~EFLAGS.IF], AT.STACK3 - 0x40);
    b.setFlags(EFLAGS.IF);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect(b.flags).toBe((0x257fd7 & ~EFLAGS.IOPL) | EFLAGS.IF);
  });
  it("IRETW leaves the upper flags alone", () => {
    const b = new Bench("protected");
    b.setFlags(EFLAGS.AC | EFLAGS.ID);
    b.pushAll(2, [0x1234, S.CODE0, 0], at0);
    expect(b.exec(...IRETW)).toBeUndefined();
    expect(b.flags).toBe(EFLAGS.AC | EFLAGS.ID | FIXED);
    expect([b.rip, b.rsp]).toEqual([0x1234, at0 + 6]);
  });
  it("lets NMIs in again, even when it faults", () => {
    const b = new Bench("protected");
    b.cpu.set32(OFF.NMI_BLOCKED, 1);
    b.pushAll(4, [0x1234, 0, 0], at0);
    expect(b.exec(...IRETD)?.vector).toBe(V.GP);
    expect(b.cpu.get32(OFF.NMI_BLOCKED)).toBe(0);
  });
  it("reports itself", () => {
    const b = new Bench("protected");
    b.pushAll(4, [0x1234, S.CODE0, 2], at0);
    b.exec(...IRETD);
    expect(b.events).toEqual([{ kind: "iret", fromCpl: 0, toCpl: 0, fromIp: AT.CODE, toIp: 0x1234 }]);
  });
});

describe("protected mode, outer privilege", () => {
  const outer = (cs: number = S.CODE3 | 3, ss: number = S.DATA3 | 3) => {
    const b = new Bench("protected");
    b.pushAll(4, [0x1234, cs, EFLAGS.IF, 0x3ff00, ss], at0);
    return b;
  };
  it("loads CS, SS, ESP and CPL, and empties data registers it may not keep", () => {
    const b = outer();
    b.load(SEG.ES, S.DATA3 | 3);
    b.load(SEG.FS, S.CONFORMING);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.cpl]).toEqual([0x1234, 0x3ff00, 3]);
    expect(b.selectors(SEG.CS, SEG.SS, SEG.ES, SEG.FS, SEG.DS)).toEqual([
      S.CODE3 | 3,
      S.DATA3 | 3,
      S.DATA3 | 3,
      S.CONFORMING,
      0,
    ]);
    expect(b.cpu.segAttr(SEG.DS) & SEG_NULL).toBe(SEG_NULL);
  });
  it("null selectors 1 to 3 become 0", () => {
    const b = outer();
    b.null(SEG.GS);
    b.cpu.set32(OFF.SEG + SEG.GS * 0x40, 3);
    b.exec(...IRETD);
    expect(b.cpu.selector(SEG.GS)).toBe(0);
  });
  it("sets accessed bits in memory", () => {
    const b = outer();
    b.exec(...IRETD);
    expect([b.descriptorAccess(S.CODE3), b.descriptorAccess(S.DATA3)]).toEqual([0xfb, 0xf3]);
  });
  it.each([
    ["null CS", 0, S.DATA3 | 3, V.GP, 0, /null code selector/],
    ["CS outside the GDT", 0x103, S.DATA3 | 3, V.GP, 0x100, /outside the GDT's limit/],
    ["CS outside the LDT", 0x1f, S.DATA3 | 3, V.GP, 0x1c, /outside the LDT's limit/],
    ["CS that is data", S.DATA3 | 3, S.DATA3 | 3, V.GP, S.DATA3, /not name a code segment/],
    ["CS of DPL below RPL", S.CODE0 | 3, S.DATA3 | 3, V.GP, S.CODE0, /DPL 0, not its selector's RPL 3/],
    ["CS not present", S.ABSENT_CODE3 | 3, S.DATA3 | 3, V.NP, S.ABSENT_CODE3, /not present/],
    ["null SS", S.CODE3 | 3, 0, V.GP, 0, /SS must not be null/],
    ["SS with another RPL", S.CODE3 | 3, S.DATA3, V.GP, S.DATA3, /RPL 0, not the privilege level 3/],
    ["SS read-only", S.CODE3 | 3, S.READ_ONLY3 | 3, V.GP, S.READ_ONLY3, /not name a writable data segment/],
    ["SS of DPL 0", S.CODE3 | 3, S.DATA0 | 3, V.GP, S.DATA0, /DPL 0, not the privilege level 3/],
    ["SS not present", S.CODE3 | 3, S.ABSENT_DATA3 | 3, V.SS, S.ABSENT_DATA3, /not present/],
    ["SS outside the GDT", S.CODE3 | 3, 0x103, V.GP, 0x100, /SS selector 0x103 is outside/],
  ] as const)("%s", (_name, cs, ss, vector, code, why) => {
    outer(cs, ss).expectFault(vector, code, why, ...IRETD);
  });
  it("RPL more privileged than CPL", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    b.pushAll(4, [0x1234, S.CODE0, 0], AT.STACK3 - 0x40);
    b.expectFault(V.GP, S.CODE0, /more privileged than CPL 3/, ...IRETD);
  });
  it("EIP outside the limit", () => {
    const b = outer(S.LDT_CODE, S.LDT_STACK);
    b.write(AT.LDT, 4, 0x0fff);
    b.write(AT.LDT + 4, 4, 0x0000fa00);
    b.write(at0, 4, 0x1000);
    b.expectFault(V.GP, 0, /outside the code segment's limit/, ...IRETD);
  });
  it("a frame that runs past the stack segment is #SS(0)", () => {
    const b = outer();
    b.write(AT.GDT + S.DATA0, 4, at0 + 15);
    b.write(AT.GDT + S.DATA0 + 4, 4, 0x00409300);
    b.load(SEG.SS, S.DATA0);
    b.cpu.updateMode();
    b.expectFault(V.SS, 0, /SS/, ...IRETD);
  });
});

describe("to virtual-8086 mode", () => {
  it("loads nine dwords, CPL 3 and v8086 segments", () => {
    const b = new Bench("protected");
    b.pushAll(
      4,
      [0x1234, 0x2000, EFLAGS.VM | EFLAGS.IF | EFLAGS.IOPL, 0xabcd8000, 0x3000, 0x1111, 0x2222, 0x3333, 0x4444],
      at0,
    );
    expect(b.exec(...IRETD)).toBeUndefined();
    expect(b.flags).toBe(EFLAGS.VM | EFLAGS.IF | EFLAGS.IOPL | FIXED);
    expect([b.rip, b.rsp, b.cpu.cpl]).toEqual([0x1234, 0xabcd8000, 3]);
    expect(b.selectors(SEG.CS, SEG.SS, SEG.ES, SEG.DS, SEG.FS, SEG.GS)).toEqual([
      0x2000, 0x3000, 0x1111, 0x2222, 0x3333, 0x4444,
    ]);
    expect([b.cpu.segBase(SEG.GS), b.cpu.segLimit(SEG.GS), b.cpu.segAttr(SEG.GS)]).toEqual([0x44440, 0xffff, 0xf3]);
  });
  it("needs CPL 0: from CPL 3 the VM in the image is not looked at", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    b.pushAll(4, [0x1234, S.CODE3 | 3, EFLAGS.VM], AT.STACK3 - 0x40);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect(b.flags & EFLAGS.VM).toBe(0);
  });
  it("an offset above 64K is #GP(0)", () => {
    const b = new Bench("protected");
    b.pushAll(4, [0x10000, 0x2000, EFLAGS.VM, 0, 0, 0, 0, 0, 0], at0);
    b.expectFault(V.GP, 0, /outside the code segment's limit/, ...IRETD);
  });
});

describe("the 16-bit stack segment (espfix)", () => {
  it("32-bit kernel: ESP[31:16] keep the kernel's bits", () => {
    const b = new Bench("protected");
    b.cpu.setGpr(GPR.RSP, BigInt(at0));
    b.pushAll(4, [0x1234, S.CODE3 | 3, 2, 0xaaaa5678, S.STACK3_16 | 3], 0x128000);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect(b.rsp).toBe(0x125678);
  });
  const kernel = 0xffff_8000_0012_8000n;
  const user = 0x5a5b_6c6d_7e7fn;
  const returnTo = (vendor: "intel" | "amd", cs: number, ss: number) => {
    const b = new Bench("long", vendor);
    // The frame's page is mapped again in the upper half, at the address the kernel's stack pointer has.
    b.write(AT.TABLES + 256 * 8, 8, AT.TABLES + 0x1000 + 7);
    b.pushAll(8, [0x1234, cs, 2, user, ss], 0x128000);
    b.cpu.setGpr(GPR.RSP, kernel);
    expect(b.exec(...IRETQ)).toBeUndefined();
    return b.cpu.gpr(GPR.RSP);
  };
  it.each(VENDORS)("64-bit code gets the whole RSP whatever SS.B says (%s)", (vendor) => {
    expect(returnTo(vendor, S.CODE3_64 | 3, S.STACK3_16 | 3)).toBe(user);
    expect(returnTo(vendor, S.CODE3_64 | 3, S.DATA3 | 3)).toBe(user);
  });
  it.each(VENDORS)("compatibility code with a 32-bit stack gets ESP (%s)", (vendor) => {
    expect(returnTo(vendor, S.CODE3 | 3, S.DATA3 | 3)).toBe(0x6c6d7e7fn);
    expect(returnTo(vendor, S.CODE3_16 | 3, S.DATA3 | 3)).toBe(0x6c6d7e7fn);
  });
  it.each([S.CODE3, S.CODE3_16])("compatibility code %s with a 16-bit stack: SP, and the kernel's bits above", (cs) => {
    expect(returnTo("intel", cs | 3, S.STACK3_16 | 3)).toBe(0x0012_7e7fn);
    expect(returnTo("amd", cs | 3, S.STACK3_16 | 3)).toBe(0xffff_8000_0012_7e7fn);
  });
});

describe("long mode", () => {
  const frame = (cs: number, ss: number, rip: number | bigint = 0x1234) => {
    const b = new Bench("long");
    b.pushAll(8, [rip, cs, EFLAGS.IF, 0x3ff00, ss], at0);
    return b;
  };
  it("IRETQ to 64-bit user code", () => {
    const b = frame(S.CODE3_64 | 3, S.DATA3 | 3);
    expect(b.exec(...IRETQ)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.cpl]).toEqual([0x1234, 0x3ff00, 3]);
    expect(b.selectors(SEG.CS, SEG.SS, SEG.DS)).toEqual([S.CODE3_64 | 3, S.DATA3 | 3, 0]);
  });
  it("at the same privilege pops SS:RSP too, and SS may be null", () => {
    const b = frame(S.CODE0_64, 0);
    expect(b.exec(...IRETQ)).toBeUndefined();
    expect([b.rsp, b.cpu.selector(SEG.SS), b.cpu.segAttr(SEG.SS) & SEG_NULL]).toEqual([0x3ff00, 0, SEG_NULL]);
  });
  it("keeps the base of a register that is already null (FS base of user code)", () => {
    const b = frame(S.CODE3_64 | 3, S.DATA3 | 3);
    b.cpu.setAddr(OFF.SEG + SEG.FS * 0x40 + 0x10, 0x7f0012345000);
    b.exec(...IRETQ);
    expect(b.cpu.segBase(SEG.FS)).toBe(0x7f0012345000);
  });
  it("IRETD in 64-bit mode pops five dwords", () => {
    const b = new Bench("long");
    b.pushAll(4, [0x1234, S.CODE3_64 | 3, 2, 0x3ff00, S.DATA3 | 3], at0);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect([b.rip, b.rsp]).toEqual([0x1234, 0x3ff00]);
  });
  it("compatibility mode pops SS:ESP only for an outer level", () => {
    const b = new Bench("compat");
    b.pushAll(4, [0x1234, S.CODE0, 2], at0);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect(b.rsp).toBe(at0 + 12);
    b.pushAll(4, [0x1234, S.CODE3_64 | 3, 2, 0x3ff00, S.DATA3 | 3], at0);
    expect(b.exec(...IRETD)).toBeUndefined();
    expect([b.rsp, b.cpu.selector(SEG.CS)]).toEqual([0x3ff00, S.CODE3_64 | 3]);
  });
  it("does not know VM: the bit is ignored", () => {
    const b = frame(S.CODE3_64 | 3, S.DATA3 | 3);
    b.write(at0 + 16, 8, EFLAGS.VM);
    expect(b.exec(...IRETQ)).toBeUndefined();
    expect(b.flags).toBe(FIXED);
  });
  it.each([
    ["non-canonical RIP", S.CODE3_64 | 3, S.DATA3 | 3, 1n << 47n, V.GP, 0, /RIP is not canonical/],
    ["null SS at CPL 3", S.CODE3_64 | 3, 3, 0n, V.GP, 0, /SS must not be null at CPL 3/],
    ["null SS to compatibility code", S.CODE3 | 3, 3, 0n, V.GP, 0, /SS must not be null outside 64-bit mode/],
    ["null SS whose RPL is not CPL", S.CODE0_64, 1, 0n, V.GP, 0, /null SS selector has RPL 1/],
    ["L and D both set", S.LD_CODE | 3, S.DATA3 | 3, 0n, V.GP, S.LD_CODE, /both L and D/],
    ["SS not present", S.CODE3_64 | 3, S.ABSENT_DATA3 | 3, 0n, V.SS, S.ABSENT_DATA3, /not present/],
  ] as const)("%s", (_name, cs, ss, rip, vector, code, why) => {
    frame(cs, ss, rip).expectFault(vector, code, why, ...IRETQ);
  });
  it("NT is #GP(0)", () => {
    const b = frame(S.CODE3_64 | 3, S.DATA3 | 3);
    b.setFlags(EFLAGS.NT);
    b.expectFault(V.GP, 0, /NT set in long mode/, ...IRETQ);
  });
  it("a non-canonical stack pointer is #SS(0)", () => {
    const b = frame(S.CODE3_64 | 3, S.DATA3 | 3);
    b.cpu.setGpr(GPR.RSP, 1n << 60n);
    b.expectFault(V.SS, 0, /canonical/, ...IRETQ);
  });
  it("a page fault on the frame leaves everything as it was", () => {
    const b = frame(S.CODE3_64 | 3, S.DATA3 | 3);
    b.pushAll(8, [0x1234, S.CODE3_64 | 3, 2], 0x6fe8);
    b.mapPage(0x7000, 0);
    b.expectFault(V.PF, 0, /0x7008/, ...IRETQ);
  });
});
