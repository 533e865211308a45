/** Far JMP, CALL and RET: direct, through call gates, and back. */
import { describe, expect, it } from "vitest";
import { AT, Bench, EFLAGS, farCall, farJump, GPR, INSN, OFF, S, SEG, SEG_NULL, V } from "./kit.ts";

const { RETF, RETFQ } = INSN;
const at0 = AT.STACK0 - 0x40;
const at3 = AT.STACK3 - 0x40;
const user = (mode: "protected" | "compat" | "long" = "protected") => {
  const b = new Bench(mode);
  b.atCpl(3, mode);
  return b;
};

describe("paragraph modes", () => {
  it("real mode JMP and CALL", () => {
    const b = new Bench("real");
    b.cpu.setRip(0x100, 0);
    b.cpu.setGpr(GPR.RSP, 0x800n);
    expect(b.exec(0x9a, 0x34, 0x12, 0x00, 0x20)).toBeUndefined();
    expect([b.rip, b.cpu.segBase(SEG.CS), b.rsp]).toEqual([0x1234, 0x20000, 0x7fc]);
    expect(b.stack(2, 2)).toEqual([0x105, 0]);
    expect(b.exec(0xcb)).toBeUndefined();
    expect([b.rip, b.cpu.segBase(SEG.CS), b.rsp]).toEqual([0x105, 0, 0x800]);
    expect(b.exec(0xea, 0x34, 0x12, 0x00, 0x30)).toBeUndefined();
    expect(b.cpu.segBase(SEG.CS)).toBe(0x30000);
  });
  it("real mode keeps a limit that protected mode has set (unreal mode)", () => {
    const b = new Bench("real");
    b.cpu.set32(OFF.SEG + SEG.DS * 0x40 + 8, -1);
    b.exec(0x8e, 0xd8);
    expect(b.cpu.segLimit(SEG.DS)).toBe(0xffffffff);
  });
  it("RET imm16 releases parameters", () => {
    const b = new Bench("v86");
    b.pushAll(2, [0x1234, 0x2100], 0x30800);
    b.cpu.setGpr(GPR.RSP, 0x800n);
    expect(b.exec(0xca, 0x10, 0)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.segAttr(SEG.CS)]).toEqual([0x1234, 0x814, 0xf3]);
  });
});

describe("direct transfers", () => {
  it("JMP loads CS with RPL = CPL and sets the accessed bit", () => {
    const b = user();
    b.changeAccess(S.CODE3, 0xfa);
    expect(b.exec(...farJump(S.CODE3, 0x1234))).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.CS), b.descriptorAccess(S.CODE3)]).toEqual([0x1234, S.CODE3 | 3, 0xfb]);
  });
  it("JMP to conforming code keeps CPL", () => {
    const b = user();
    expect(b.exec(...farJump(S.CONFORMING, 0x1234))).toBeUndefined();
    expect([b.cpu.cpl, b.cpu.selector(SEG.CS)]).toEqual([3, S.CONFORMING | 3]);
  });
  it("between 64-bit and compatibility code", () => {
    const b = user("compat");
    expect(b.exec(...farJump(S.CODE3_64, 0x1234))).toBeUndefined();
    expect(b.cpu.mode & 3).toBe(2);
    b.write(0x5000, 4, 0x4321);
    b.write(0x5004, 2, S.CODE3);
    b.cpu.setGpr(GPR.RAX, 0x5000n);
    expect(b.exec(0xff, 0x28)).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.CS), b.cpu.mode & 3]).toEqual([0x4321, S.CODE3 | 3, 1]);
  });
  it("REX.W far JMP: 64-bit offset on Intel, ignored on AMD", () => {
    const jump = (vendor: "intel" | "amd") => {
      const b = new Bench("long", vendor);
      b.atCpl(3, "long");
      b.write(0x5000, 8, 0x0000_0020_0000_1234n);
      b.write(0x5008, 2, S.CODE3_64);
      b.cpu.setGpr(GPR.RAX, 0x5000n);
      return { fault: b.exec(0x48, 0xff, 0x28), rip: b.rip };
    };
    expect(jump("intel")).toEqual({ fault: undefined, rip: 0x20_0000_1234 });
    expect(jump("amd").fault).toMatchObject({ vector: V.GP, errorCode: 0x20 & 0xfffc });
  });
  it("CALL from 64-bit to compatibility code pushes at ESP, not RSP", () => {
    const b = user("long");
    b.write(0x5000, 4, 0x4321);
    b.write(0x5004, 2, S.CODE3);
    b.cpu.setGpr(GPR.RAX, 0x5000n);
    b.cpu.setGpr(GPR.RSP, 0x7ffc_0003_0000n);
    expect(b.exec(0xff, 0x18)).toBeUndefined();
    expect([b.rsp, ...b.stack(4, 2)]).toEqual([0x2fff8, AT.CODE + 2, S.CODE3_64 | 3]);
  });
  it("CALL pushes CS and the return address", () => {
    const b = user();
    expect(b.exec(...farCall(S.CODE3, 0x1234))).toBeUndefined();
    expect(b.stack(4, 2)).toEqual([AT.CODE + 7, S.CODE3 | 3]);
  });
  it.each([
    ["null", 0, V.GP, 0, /null selector/],
    ["outside", 0x100, V.GP, 0x100, /outside the GDT/],
    ["data", S.DATA3, V.GP, S.DATA3, /names no target/],
    ["DPL 0", S.CODE0, V.GP, S.CODE0, /DPL 0, not CPL 3/],
    ["not present", S.ABSENT_CODE3, V.NP, S.ABSENT_CODE3, /not present/],
    ["LDT descriptor", S.LDT, V.GP, S.LDT, /names no target/],
  ] as const)("%s", (_name, selector, vector, code, why) => {
    user().expectFault(vector, code, why, ...farJump(selector, 0x1234));
    user().expectFault(vector, code, why, ...farCall(selector, 0x1234));
  });
  it("RPL above CPL, and conforming code above CPL", () => {
    const b = new Bench("protected");
    b.expectFault(V.GP, S.CODE0, /RPL .* above CPL 0/, ...farJump(S.CODE0 | 3, 0));
    b.changeAccess(S.CONFORMING, 0xfe);
    b.expectFault(V.GP, S.CONFORMING, /DPL 3 above CPL 0/, ...farJump(S.CONFORMING, 0));
  });
  it("offset outside the limit", () => {
    const b = user();
    b.setDescriptor(S.CODE3, 0x0040_fb00_0000_0fffn);
    b.expectFault(V.GP, 0, /outside the code segment's limit/, ...farJump(S.CODE3, 0x1000));
  });
});

describe("call gates, 32-bit", () => {
  it("JMP keeps the privilege level, so only to DPL = CPL", () => {
    const b = new Bench("protected");
    expect(b.exec(...farJump(S.GATE, 0xdead))).toBeUndefined();
    expect([b.rip, b.cpu.cpl]).toEqual([AT.GATE_TARGET, 0]);
    user().expectFault(V.GP, S.CODE0, /cannot change CPL 3/, ...farJump(S.GATE, 0));
  });
  it("CALL to an inner level copies parameters to the new stack", () => {
    const b = user();
    b.callGate(S.CODE0, AT.GATE_TARGET, 2);
    b.pushAll(4, [0x11, 0x22, 0x33], at3);
    expect(b.exec(...farCall(S.GATE, 0))).toBeUndefined();
    expect(b.stack(4, 6)).toEqual([AT.CODE + 7, S.CODE3 | 3, 0x11, 0x22, at3, S.DATA3 | 3]);
    expect([b.rip, b.cpu.cpl, b.rsp, b.cpu.selector(SEG.SS)]).toEqual([AT.GATE_TARGET, 0, AT.STACK0 - 24, S.DATA0]);
  });
  it("and RETF imm16 releases them on both stacks", () => {
    const b = user();
    b.callGate(S.CODE0, AT.GATE_TARGET, 2);
    b.pushAll(4, [0x11, 0x22], at3);
    b.exec(...farCall(S.GATE, 0));
    expect(b.exec(0xca, 8, 0)).toBeUndefined();
    expect([b.rip, b.cpu.cpl, b.rsp]).toEqual([AT.CODE + 7, 3, at3 + 8]);
    expect(b.selectors(SEG.CS, SEG.SS, SEG.DS)).toEqual([S.CODE3 | 3, S.DATA3 | 3, S.DATA3 | 3]);
  });
  it("a 16-bit gate pushes words", () => {
    const b = user();
    b.callGate(S.CODE0_16, 0x1234, 1, 0xe4);
    b.pushAll(2, [0x77], at3);
    expect(b.exec(...farCall(S.GATE, 0))).toBeUndefined();
    expect(b.stack(2, 5)).toEqual([7, S.CODE3 | 3, 0x77, at3 & 0xffff, S.DATA3 | 3]);
  });
  it.each([
    ["gate DPL below CPL", 0x8c, S.CODE0, V.GP, S.GATE, /below CPL 3/],
    ["not present", 0x6c, S.CODE0, V.NP, S.GATE, /not present/],
    ["null target", 0xec, 0, V.GP, 0, /null code selector/],
    ["target data", 0xec, S.DATA0, V.GP, S.DATA0, /not name a code segment/],
  ] as const)("%s", (_name, access, target, vector, code, why) => {
    const b = user();
    b.callGate(target, AT.GATE_TARGET, 0, access);
    b.expectFault(vector, code, why, ...farCall(S.GATE, 0));
  });
  it("no room on the inner stack is #SS(SS0)", () => {
    const b = user();
    b.setDescriptor(S.DATA0, 0x0040_9200_0000_0fffn);
    b.write(AT.TSS + 4, 4, 0x1010);
    b.expectFault(V.SS, S.DATA0, /outside the stack segment's limit/, ...farCall(S.GATE, 0));
  });
});

describe("call gates, 64-bit", () => {
  it("from compatibility code to ring 0 and back", () => {
    const b = user("compat");
    expect(b.exec(...farCall(S.GATE, 0))).toBeUndefined();
    expect(b.stack(8, 4)).toEqual([AT.CODE + 7, S.CODE3 | 3, AT.STACK3, S.DATA3 | 3]);
    expect([b.rip, b.cpu.cpl, b.cpu.mode & 3, b.cpu.segAttr(SEG.SS) & SEG_NULL]).toEqual([
      AT.GATE_TARGET,
      0,
      2,
      SEG_NULL,
    ]);
    expect(b.exec(...RETFQ)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.cpl, b.cpu.mode & 3]).toEqual([AT.CODE + 7, AT.STACK3, 3, 1]);
  });
  it("must lead to 64-bit code, and have 16 bytes with type 0 in the upper half", () => {
    const b = user("compat");
    b.callGate(S.CODE0, AT.GATE_TARGET, 0);
    b.expectFault(V.GP, S.CODE0, /not a 64-bit one/, ...farCall(S.GATE, 0));
    b.callGate(S.CODE0_64, AT.GATE_TARGET, 0);
    b.write(AT.GDT + S.GATE + 12, 4, 0x100);
    b.expectFault(V.GP, S.GATE, /upper half/, ...farCall(S.GATE, 0));
    b.write(AT.GDT + S.GATE + 12, 4, 0);
    b.cpu.set32(OFF.GDTR_LIMIT, S.GATE + 7);
    b.expectFault(V.GP, S.GATE, /crosses its table's limit/, ...farCall(S.GATE, 0));
  });
  it("16-bit gates, task gates and TSSs are no targets in long mode", () => {
    const b = user("compat");
    b.callGate(S.CODE0_64, AT.GATE_TARGET, 0, 0xe4);
    b.expectFault(V.GP, S.GATE, /names no target/, ...farCall(S.GATE, 0));
    b.changeAccess(S.TSS, 0xe9);
    b.expectFault(V.GP, S.TSS, /names no target/, ...farCall(S.TSS, 0));
  });
});

describe("RETF", () => {
  it("outer: SS, and data registers above the new level emptied", () => {
    const b = new Bench("protected");
    b.pushAll(4, [0x1234, S.CODE3 | 3, 0x3ff00, S.DATA3 | 3], at0);
    expect(b.exec(...RETF)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.cpl, ...b.selectors(SEG.DS, SEG.ES)]).toEqual([0x1234, 0x3ff00, 3, 0, 0]);
  });
  it("outer, to a 16-bit stack: only SP", () => {
    const b = new Bench("protected");
    b.pushAll(4, [0x1234, S.CODE3 | 3, 0xaaaa5678, S.STACK3_16 | 3], 0x128000);
    b.exec(...RETF);
    expect(b.rsp).toBe(0x125678);
  });
  it("same level does not load SS, in 64-bit mode either", () => {
    const b = new Bench("long");
    b.pushAll(8, [0x1234, S.CODE0_64], at0);
    expect(b.exec(...RETFQ)).toBeUndefined();
    expect([b.rsp, b.cpu.selector(SEG.SS)]).toEqual([at0 + 16, S.DATA0]);
  });
  it.each([
    ["inner level", S.CODE0, V.GP, S.CODE0, /more privileged/],
    ["null", 0, V.GP, 0, /null code selector/],
    ["data", S.DATA3 | 3, V.GP, S.DATA3, /not name a code segment/],
  ] as const)("%s", (_name, cs, vector, code, why) => {
    const b = user();
    b.pushAll(4, [0x1234, cs], at3);
    b.expectFault(vector, code, why, ...RETF);
  });
  it("flags are not touched", () => {
    const b = user();
    b.setFlags(EFLAGS.CF | EFLAGS.IF);
    b.pushAll(4, [0x1234, S.CODE3 | 3], at3);
    b.exec(...RETF);
    expect(b.flags).toBe(EFLAGS.CF | EFLAGS.IF | EFLAGS.FIXED);
  });
});
