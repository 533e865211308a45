/** Hardware task switches by JMP, CALL, IRET, INT and exceptions. */
import { describe, expect, it } from "vitest";
import { gp } from "../../../../src/emu/cpu/fault.ts";
import { CR0 } from "../../../../src/emu/cpu/layout.ts";
import { deliverException, deliverInterrupt } from "../../../../src/emu/cpu/system/deliver.ts";
import { AT, Bench, EFLAGS, farCall, farJump, GPR, handler, OFF, S, SEG, V } from "./kit.ts";

const FIXED = EFLAGS.FIXED;
const B = AT.TSS_B;

/** A ready task in TSS_B: ring 0 code at 0x6000 with its own registers. */
function machine(): Bench {
  const b = new Bench("protected");
  b.write(B + 0x20, 4, 0x6000);
  b.write(B + 0x24, 4, EFLAGS.CF | FIXED);
  for (let i = 0; i < 8; i++) b.write(B + 0x28 + i * 4, 4, 0x100 + i);
  b.write(B + 0x38, 4, 0x7000);
  const selectors = [S.DATA3, S.CODE0, S.DATA0, S.DATA0, 0, 0];
  selectors.forEach((s, i) => void b.write(B + 0x48 + i * 4, 4, s));
  b.write(B + 0x60, 4, S.LDT);
  return b;
}

describe("JMP to a TSS", () => {
  it("saves one task and loads the other", () => {
    const b = machine();
    b.setFlags(EFLAGS.ZF | EFLAGS.IF);
    b.cpu.setGpr(GPR.RBX, 0xb0bn);
    expect(b.exec(...farJump(S.TSS_B, 0))).toBeUndefined();
    expect([b.rip, b.rsp, b.flags, b.cpu.gprLow(GPR.RBX), b.cpu.cpl]).toEqual([
      0x6000,
      0x7000,
      EFLAGS.CF | FIXED,
      0x103,
      0,
    ]);
    expect(b.selectors(SEG.CS, SEG.SS, SEG.DS, SEG.ES, SEG.FS, SEG.TR, SEG.LDTR)).toEqual([
      S.CODE0,
      S.DATA0,
      S.DATA0,
      S.DATA3,
      0,
      S.TSS_B,
      S.LDT,
    ]);
    expect([b.read(AT.TSS + 0x20, 4), b.read(AT.TSS + 0x24, 4), b.read(AT.TSS + 0x34, 4)]).toEqual([
      AT.CODE + 7,
      EFLAGS.ZF | EFLAGS.IF | FIXED,
      0xb0b,
    ]);
    expect([b.read(AT.TSS + 0x4c, 2), b.read(AT.TSS + 0x38, 4)]).toEqual([S.CODE0, AT.STACK0]);
    expect([b.descriptorAccess(S.TSS), b.descriptorAccess(S.TSS_B)]).toEqual([0x89, 0x8b]);
    expect(b.cpu.get32(OFF.CR0) & CR0.TS).toBe(CR0.TS);
  });
  it("to ring 3 and to v8086 mode", () => {
    const b = machine();
    b.write(B + 0x4c, 4, S.CODE3 | 3);
    b.write(B + 0x50, 4, S.DATA3 | 3);
    b.write(B + 0x54, 4, S.DATA3 | 3);
    expect(b.exec(...farJump(S.TSS_B, 0))).toBeUndefined();
    expect([b.cpu.cpl, b.cpu.selector(SEG.SS)]).toEqual([3, S.DATA3 | 3]);
    const v = machine();
    v.write(B + 0x24, 4, EFLAGS.VM | FIXED);
    v.write(B + 0x4c, 4, 0x2000);
    v.exec(...farJump(S.TSS_B, 0));
    expect([v.cpu.cpl, v.cpu.segBase(SEG.CS), v.cpu.segAttr(SEG.DS)]).toEqual([3, 0x20000, 0xf3]);
  });
  it("through a task gate", () => {
    const b = machine();
    expect(b.exec(...farJump(S.TASK_GATE, 0))).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.TR)]).toEqual([0x6000, S.TSS_B]);
  });
  it("a 16-bit TSS", () => {
    const b = machine();
    const T = AT.TSS16;
    b.write(T + 0x0e, 2, 0x1234);
    b.write(T + 0x10, 2, EFLAGS.CF | FIXED);
    b.write(T + 0x1a, 2, 0x7000);
    [S.DATA0, S.CODE0_16, S.DATA0_16, S.DATA0].forEach((s, i) => void b.write(T + 0x22 + i * 2, 2, s));
    expect(b.exec(...farJump(S.TSS16, 0))).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.selector(SEG.SS), b.cpu.mode & 3]).toEqual([0x1234, 0xffff_7000, S.DATA0_16, 0]);
    expect(b.descriptorAccess(S.TSS16)).toBe(0x83);
  });
  it.each([
    ["busy", 0x8b, 0x67, V.GP, S.TSS_B, /not name an available TSS/],
    ["not present", 0x09, 0x67, V.NP, S.TSS_B, /not present/],
    ["too small", 0x89, 0x66, V.TS, S.TSS_B, /too small/],
  ] as const)("%s", (_name, access, limit, vector, code, why) => {
    const b = machine();
    b.changeAccess(S.TSS_B, access);
    b.write(AT.GDT + S.TSS_B, 2, limit);
    b.expectFault(vector, code, why, ...farJump(S.TSS_B, 0));
  });
  it("from CPL 3 needs DPL 3", () => {
    const b = machine();
    b.atCpl(3, "protected");
    b.expectFault(V.GP, S.TSS_B, /TSS .* DPL 0, below CPL/, ...farJump(S.TSS_B, 0));
  });
  it("what is wrong in the new task faults there", () => {
    const b = machine();
    b.write(B + 0x50, 4, S.DATA3);
    expect(b.exec(...farJump(S.TSS_B, 0))).toBeUndefined();
    expect(b.events.map((e) => e.kind)).toEqual(["task-switch"]);
    expect(b.cpu.shutdownWhy).toMatch(/triple fault.*outside the stack segment's limit/);
    const c = machine();
    c.write(B + 0x54, 4, S.EXEC_ONLY3);
    c.exec(...farJump(S.TSS_B, 0));
    expect([c.rip, c.cpu.selector(SEG.TR), ...c.stack(4, 2)]).toEqual([handler(V.TS), S.TSS_B, S.EXEC_ONLY3, 0x6000]);
  });
  it("the T bit: #DB with DR6.BT before the first instruction", () => {
    const b = machine();
    b.write(B + 0x64, 2, 1);
    b.exec(...farJump(S.TSS_B, 0));
    expect([b.rip, b.cpu.get32(OFF.DR + 48) & 0x8000, b.stack(4, 1)[0]]).toEqual([handler(V.DB), 0x8000, 0x6000]);
  });
});

describe("nesting", () => {
  it("CALL links and sets NT; IRET goes back", () => {
    const b = machine();
    b.exec(...farCall(S.TSS_B, 0));
    expect([b.read(B, 2), b.flags & EFLAGS.NT]).toEqual([S.TSS, EFLAGS.NT]);
    expect([b.descriptorAccess(S.TSS), b.descriptorAccess(S.TSS_B)]).toEqual([0x8b, 0x8b]);
    expect(b.exec(0xcf)).toBeUndefined();
    expect([b.rip, b.rsp, b.cpu.selector(SEG.TR), b.flags & EFLAGS.NT]).toEqual([AT.CODE + 7, AT.STACK0, S.TSS, 0]);
    expect([b.descriptorAccess(S.TSS), b.descriptorAccess(S.TSS_B)]).toEqual([0x8b, 0x89]);
    expect(b.read(B + 0x24, 4) & EFLAGS.NT).toBe(0);
  });
  it("IRET to a task that is not busy is #TS", () => {
    const b = machine();
    b.write(AT.TSS, 2, S.TSS_B);
    b.setFlags(EFLAGS.NT);
    b.expectFault(V.TS, S.TSS_B, /not name a busy TSS/, 0xcf);
    b.write(AT.TSS, 2, 0);
    b.expectFault(V.TS, 0, /link 0x0 is null/, 0xcf);
  });
});

describe("task gates in the IDT", () => {
  const gated = (vector: number) => {
    const b = machine();
    b.gate(vector, { type: 5, dpl: 3, selector: S.TSS_B });
    return b;
  };
  it("an interrupt", () => {
    const b = gated(0x20);
    deliverInterrupt(b.cpu, 0x20, "interrupt");
    expect([b.rip, b.read(B, 2), b.flags & EFLAGS.NT, b.read(AT.TSS + 0x20, 4)]).toEqual([
      0x6000,
      S.TSS,
      EFLAGS.NT,
      AT.CODE,
    ]);
  });
  it("INT n from ring 3", () => {
    const b = gated(0x20);
    b.atCpl(3, "protected");
    expect(b.exec(0xcd, 0x20)).toBeUndefined();
    expect([b.rip, b.cpu.cpl, b.read(AT.TSS + 0x20, 4)]).toEqual([0x6000, 0, AT.CODE + 2]);
  });
  it("an error code goes on the new task's stack", () => {
    const b = gated(V.GP);
    deliverException(b.cpu, gp(0x18, "for a test"));
    expect([b.rip, b.rsp, ...b.stack(4, 1)]).toEqual([0x6000, 0x6ffc, 0x18]);
  });
  it("#DF through a task gate survives a stack that is gone", () => {
    const b = gated(V.DF);
    b.gate(V.GP, { selector: S.DATA0 });
    deliverException(b.cpu, gp(0, "for a test"));
    expect([b.rip, b.cpu.selector(SEG.TR), ...b.stack(4, 1)]).toEqual([0x6000, S.TSS_B, 0]);
  });
});
