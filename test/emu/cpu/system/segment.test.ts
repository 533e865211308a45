/** Loading segment registers, and the bounds that come of their hidden parts. */
import { describe, expect, it } from "vitest";
import { SEGF } from "../../../../src/emu/cpu/layout.ts";
import { loadSegment, setSegmentRaw } from "../../../../src/emu/cpu/system/segment.ts";
import { AT, Bench, EFLAGS, GPR, OFF, S, SEG, SEG_NULL, V, VENDORS } from "./kit.ts";

const ax = (b: Bench, selector: number) => b.cpu.setGpr(GPR.RAX, BigInt(selector));
const MOV_DS = [0x8e, 0xd8];
const MOV_SS = [0x8e, 0xd0];
const MOV_FS = [0x8e, 0xe0];
const bounds = (b: Bench, attr: number, limit: number) => {
  setSegmentRaw(b.cpu, SEG.DS, { selector: 8, attr, base: 0, limit });
  const at = (field: number) => b.cpu.get32(OFF.SEG + SEG.DS * 0x40 + field) >>> 0;
  return [at(SEGF.READ_FIRST), at(SEGF.READ_LAST), at(SEGF.WRITE_FIRST), at(SEGF.WRITE_LAST)];
};
const NONE = [0xffffffff, 0];

describe("bounds", () => {
  const b = new Bench("protected");
  it.each([
    ["writable data", 0x4092, 0xfff, [0, 0xfff, 0, 0xfff]],
    ["read-only data", 0x4090, 0xfff, [0, 0xfff, ...NONE]],
    ["expand-down, 32-bit", 0x4096, 0xfff, [0x1000, 0xffffffff, 0x1000, 0xffffffff]],
    ["expand-down, 16-bit", 0x0096, 0xfff, [0x1000, 0xffff, 0x1000, 0xffff]],
    ["expand-down, nothing left", 0x0096, 0xffff, [...NONE, ...NONE]],
    ["readable code", 0x409a, 0xfff, [0, 0xfff, ...NONE]],
    ["conforming readable code", 0x409e, 0xfff, [0, 0xfff, ...NONE]],
    ["execute-only code", 0x4098, 0xfff, [...NONE, ...NONE]],
    ["null", SEG_NULL, 0, [...NONE, ...NONE]],
    ["not present", 0x4012, 0xfff, [...NONE, ...NONE]],
  ] as const)("%s", (_name, attr, limit, expected) => {
    expect(bounds(b, attr, limit)).toEqual(expected);
  });
});

describe("data segments", () => {
  it("loads base, limit and attributes, and sets the accessed bit", () => {
    const b = new Bench("protected");
    b.setDescriptor(S.DATA3, 0x1240_f234_5678_9abcn);
    ax(b, S.DATA3 | 3);
    expect(b.exec(...MOV_DS)).toBeUndefined();
    expect([b.cpu.selector(SEG.DS), b.cpu.segBase(SEG.DS), b.cpu.segLimit(SEG.DS), b.cpu.segAttr(SEG.DS)]).toEqual([
      S.DATA3 | 3,
      0x12345678,
      0x9abc,
      0x40f3,
    ]);
    expect(b.descriptorAccess(S.DATA3)).toBe(0xf3);
  });
  it("takes readable code, conforming code at any privilege, and the LDT", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    for (const selector of [S.CODE3 | 3, S.CONFORMING | 3, S.LDT_STACK]) {
      ax(b, selector);
      expect(b.exec(...MOV_DS)).toBeUndefined();
      expect(b.cpu.selector(SEG.DS)).toBe(selector);
    }
  });
  it.each([
    ["outside the GDT", 0x103, V.GP, 0x100, /outside the GDT/],
    ["outside the LDT", 0x1f, V.GP, 0x1c, /outside the LDT/],
    ["execute-only code", S.EXEC_ONLY3 | 3, V.GP, S.EXEC_ONLY3, /neither data nor readable code/],
    ["a system segment", S.TSS | 3, V.GP, S.TSS, /neither data nor readable code/],
    ["CPL above DPL", S.DATA0, V.GP, S.DATA0, /CPL 3 may not load DS with a segment of DPL 0/],
    ["RPL above DPL", S.DATA0 | 3, V.GP, S.DATA0, /RPL above the segment's DPL 0/],
    ["not present", S.ABSENT_DATA3 | 3, V.NP, S.ABSENT_DATA3, /not present/],
  ] as const)("%s", (_name, selector, vector, code, why) => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    ax(b, selector);
    b.expectFault(vector, code, why, ...MOV_DS);
  });
  it("MOV CS is #UD", () => {
    new Bench("protected").expectFault(V.UD, 0, /./, 0x8e, 0xc8);
  });
  it("no LDT: nothing in it can be loaded", () => {
    const b = new Bench("protected");
    ax(b, 0);
    expect(b.exec(0x0f, 0x00, 0xd0)).toBeUndefined();
    ax(b, S.LDT_STACK);
    b.expectFault(V.GP, S.LDT_STACK & ~3, /outside the LDT/, ...MOV_DS);
  });
});

describe("null selectors", () => {
  it.each([0, 3])("DS takes %i and permits nothing", (selector) => {
    const b = new Bench("protected");
    ax(b, selector);
    expect(b.exec(...MOV_DS)).toBeUndefined();
    expect([b.cpu.selector(SEG.DS), b.cpu.segAttr(SEG.DS) & SEG_NULL]).toEqual([selector, SEG_NULL]);
    expect(() => b.cpu.loadSeg(SEG.DS, 0, 0, 1)).toThrow(expect.objectContaining({ vector: V.GP }));
  });
  it.each(VENDORS)("the FS base after a null load (%s)", (vendor) => {
    const b = new Bench("long", vendor);
    b.cpu.setAddr(OFF.SEG + SEG.FS * 0x40 + SEGF.BASE, 0x7f0012345000);
    ax(b, 0);
    b.exec(...MOV_FS);
    expect(b.cpu.segBase(SEG.FS)).toBe(vendor === "intel" ? 0 : 0x7f0012345000);
  });
  it("SS: not in legacy or compatibility mode, not at CPL 3, only with RPL = CPL", () => {
    const legacy = new Bench("protected");
    ax(legacy, 0);
    legacy.expectFault(V.GP, 0, /SS must not be null outside 64-bit mode/, ...MOV_SS);
    const user = new Bench("long");
    user.atCpl(3, "long");
    ax(user, 3);
    user.expectFault(V.GP, 0, /SS must not be null at CPL 3/, ...MOV_SS);
    const kernel = new Bench("long");
    ax(kernel, 1);
    kernel.expectFault(V.GP, 0, /RPL 1/, ...MOV_SS);
    ax(kernel, 0);
    expect(kernel.exec(...MOV_SS)).toBeUndefined();
    expect(kernel.cpu.selector(SEG.SS)).toBe(0);
  });
});

describe("the stack segment", () => {
  it.each([
    ["RPL not CPL", S.DATA3, V.GP, S.DATA3, /RPL 0, not the privilege level 3/],
    ["DPL not CPL", S.DATA0 | 3, V.GP, S.DATA0, /DPL 0, not the privilege level 3/],
    ["read-only", S.READ_ONLY3 | 3, V.GP, S.READ_ONLY3, /writable data/],
    ["code", S.CODE3 | 3, V.GP, S.CODE3, /writable data/],
    ["not present", S.ABSENT_DATA3 | 3, V.SS, S.ABSENT_DATA3, /not present/],
  ] as const)("%s", (_name, selector, vector, code, why) => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    ax(b, selector);
    b.expectFault(vector, code, why, ...MOV_SS);
  });
  it("MOV SS and POP SS open an interrupt shadow, POP DS none", () => {
    const b = new Bench("protected");
    ax(b, S.DATA0);
    b.exec(...MOV_SS);
    expect(b.cpu.get32(OFF.SHADOW_KIND)).toBe(2);
    b.cpu.set32(OFF.SHADOW_KIND, 0);
    b.pushAll(4, [S.DATA0], AT.STACK0 - 4);
    b.exec(0x1f);
    expect(b.cpu.get32(OFF.SHADOW_KIND)).toBe(0);
  });
  it("POP SS moves the old stack's pointer, and a bad selector moves nothing", () => {
    const b = new Bench("protected");
    b.pushAll(4, [S.DATA0], AT.STACK0 - 4);
    expect(b.exec(0x17)).toBeUndefined();
    expect(b.rsp).toBe(AT.STACK0);
    b.pushAll(4, [S.DATA3], AT.STACK0 - 4);
    b.expectFault(V.GP, S.DATA3, /RPL|DPL/, 0x17);
  });
});

describe("paragraph modes", () => {
  it("v8086 loads are base = selector * 16, limit 64K, DPL 3", () => {
    const b = new Bench("v86");
    ax(b, 0x1234);
    b.exec(...MOV_DS);
    expect([b.cpu.segBase(SEG.DS), b.cpu.segLimit(SEG.DS), b.cpu.segAttr(SEG.DS)]).toEqual([0x12340, 0xffff, 0xf3]);
  });
  it("real mode makes a null register usable again", () => {
    const b = new Bench("real");
    b.null(SEG.DS);
    loadSegment(b.cpu, SEG.DS, 0x100);
    expect([b.cpu.segBase(SEG.DS), b.cpu.segLimit(SEG.DS), b.cpu.segAttr(SEG.DS)]).toEqual([0x1000, 0xffff, 0x93]);
  });
});

describe("moves out", () => {
  it("a register is zero-extended to the operand size", () => {
    const b = new Bench("long");
    b.cpu.setGpr(GPR.RAX, -1n);
    b.exec(0x8c, 0xd8);
    expect(b.cpu.gpr(GPR.RAX)).toBe(BigInt(S.DATA0));
    b.cpu.setGpr(GPR.RAX, -1n);
    b.exec(0x66, 0x8c, 0xd8);
    expect(b.cpu.gpr(GPR.RAX)).toBe(0xffffffffffff0000n | BigInt(S.DATA0));
  });
  it.each(VENDORS)("a 32-bit PUSH of a segment register (%s)", (vendor) => {
    const b = new Bench("protected", vendor);
    b.write(AT.STACK0 - 4, 4, 0xffffffff);
    b.exec(0x1e);
    expect(b.read(AT.STACK0 - 4, 4)).toBe((vendor === "intel" ? 0xffff0000 : 0) + S.DATA0);
  });
  it("LDS, LSS: register and segment together or not at all", () => {
    const b = new Bench("protected");
    b.write(0x5000, 4, 0xcafe);
    b.write(0x5004, 2, S.DATA3 | 3);
    b.cpu.setGpr(GPR.RBX, 0x5000n);
    expect(b.exec(0xc5, 0x03)).toBeUndefined();
    expect([b.cpu.gprLow(GPR.RAX), b.cpu.selector(SEG.DS)]).toEqual([0xcafe, S.DATA3 | 3]);
    b.expectFault(V.GP, S.DATA3, /RPL 3/, 0x0f, 0xb2, 0x03);
  });
});

describe("LLDT and LTR", () => {
  const withAx = (b: Bench, selector: number, modrm: number) => {
    ax(b, selector);
    return [0x0f, 0x00, modrm];
  };
  const lldt = (b: Bench, selector: number) => withAx(b, selector, 0xd0);
  const ltr = (b: Bench, selector: number) => withAx(b, selector, 0xd8);
  it.each(["protected", "long"] as const)("load base and limit (%s)", (mode) => {
    const b = new Bench(mode);
    expect(b.exec(...lldt(b, S.LDT))).toBeUndefined();
    expect([b.cpu.segBase(SEG.LDTR), b.cpu.segLimit(SEG.LDTR)]).toEqual([AT.LDT, 0x17]);
    b.changeAccess(S.TSS, 0x89);
    expect(b.exec(...ltr(b, S.TSS))).toBeUndefined();
    expect([b.cpu.selector(SEG.TR), b.cpu.segBase(SEG.TR), b.descriptorAccess(S.TSS)]).toEqual([S.TSS, AT.TSS, 0x8b]);
  });
  it("long mode takes the base's upper half", () => {
    const b = new Bench("long");
    b.write(AT.GDT + S.LDT + 8, 4, 0xffff8000);
    b.exec(...lldt(b, S.LDT));
    expect(b.cpu.segBase(SEG.LDTR)).toBe(-0x8000_0000_0000 + AT.LDT);
    b.write(AT.GDT + S.LDT + 8, 4, 0x8000);
    b.expectFault(V.GP, S.LDT, /not canonical/, ...lldt(b, S.LDT));
  });
  it.each([
    ["busy TSS", S.TSS, V.GP, S.TSS, /not name an available TSS/],
    ["null", 0, V.GP, 0, /null selector/],
    ["in the LDT", S.LDT_CODE, V.GP, S.LDT_CODE & ~3, /points into the LDT/],
    ["data", S.DATA0, V.GP, S.DATA0, /not name an available TSS/],
  ] as const)("LTR: %s", (_name, selector, vector, code, why) => {
    const b = new Bench("protected");
    b.expectFault(vector, code, why, ...ltr(b, selector));
  });
  it("16-bit TSS only outside long mode; not present is #NP", () => {
    const b = new Bench("protected");
    expect(b.exec(...ltr(b, S.TSS16))).toBeUndefined();
    b.changeAccess(S.LDT, 0x02);
    b.expectFault(V.NP, S.LDT, /not present/, ...lldt(b, S.LDT));
    const c = new Bench("long");
    c.changeAccess(S.TSS, 0x81);
    c.expectFault(V.GP, S.TSS, /available TSS/, ...ltr(c, S.TSS));
  });
  it("need CPL 0, and protected mode", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    b.expectFault(V.GP, 0, /LLDT at CPL 3/, ...lldt(b, S.LDT));
    const v = new Bench("v86");
    v.expectFault(V.UD, 0, /virtual-8086/, ...ltr(v, S.TSS));
  });
  it("the flags stay", () => {
    const b = new Bench("protected");
    b.setFlags(EFLAGS.CF);
    b.exec(...lldt(b, 0));
    expect(b.flags).toBe(EFLAGS.CF | EFLAGS.FIXED);
  });
});
