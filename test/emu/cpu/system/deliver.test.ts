/** Exceptions, interrupts and INT n: frames, stacks, flags, error codes, and what happens when delivery itself fails. */
import { describe, expect, it } from "vitest";
import { Fault, gp } from "../../../../src/emu/cpu/fault.ts";
import { DR6, debugException, deliverException, deliverInterrupt } from "../../../../src/emu/cpu/system/deliver.ts";
import { AT, Bench, EFLAGS, GPR, handler, OFF, S, SEG, SEG_NULL, V } from "./kit.ts";

const INT = (n: number) => [0xcd, n];
const FIXED = EFLAGS.FIXED;
const fault = (vector: number, errorCode = 0) => new Fault(vector, errorCode, "for a test");
const DR6_AT = OFF.DR + 48;
const DR7_AT = OFF.DR + 56;

describe("real mode", () => {
  const real = () => {
    const b = new Bench("real");
    b.write(0x21 * 4, 2, 0x1234);
    b.write(0x21 * 4 + 2, 2, 0x2000);
    b.cpu.setGpr(GPR.RSP, 0x800n);
    b.cpu.setRip(0x100, 0);
    b.setFlags(EFLAGS.IF | EFLAGS.TF | EFLAGS.CF | EFLAGS.AC);
    return b;
  };
  it("INT n pushes FLAGS, CS, IP and clears IF, TF and AC", () => {
    const b = real();
    expect(b.exec(...INT(0x21))).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.CS), b.rsp]).toEqual([0x1234, 0x2000, 0x7fa]);
    expect(b.stack(2, 3)).toEqual([0x102, 0, EFLAGS.IF | EFLAGS.TF | EFLAGS.CF | FIXED]);
    expect(b.flags).toBe(EFLAGS.CF | FIXED);
  });
  it("a vector outside the table is #GP", () => {
    const b = real();
    b.cpu.set32(OFF.IDTR_LIMIT, 0x83);
    b.expectFault(V.GP, 0x21 * 4 + 2, /outside the interrupt table/, ...INT(0x21));
  });
  it("SP = 1 leaves no room: #SS, whose own delivery ends in shutdown", () => {
    const b = real();
    b.cpu.setGpr(GPR.RSP, 1n);
    const raised = b.exec(...INT(0x21))!;
    expect(raised.vector).toBe(V.SS);
    deliverException(b.cpu, raised);
    expect(b.cpu.get32(OFF.ACTIVITY)).toBe(2);
    expect(b.cpu.shutdownWhy).toMatch(/triple fault.*#SS.*outside the stack segment's limit/);
  });
});

describe("32-bit gates", () => {
  it("same privilege: EFLAGS, CS, EIP on the same stack", () => {
    const b = new Bench("protected");
    b.setFlags(EFLAGS.IF | EFLAGS.NT | EFLAGS.TF);
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect([b.rip, b.rsp]).toEqual([handler(0x20), AT.STACK0 - 12]);
    expect(b.stack(4, 3)).toEqual([AT.CODE + 2, S.CODE0, EFLAGS.IF | EFLAGS.NT | EFLAGS.TF | FIXED]);
    expect(b.flags).toBe(FIXED);
  });
  it("INT n pushes RF clear", () => {
    const b = new Bench("protected");
    b.setFlags(EFLAGS.RF);
    b.exec(...INT(0x20));
    expect(b.stack(4, 3)[2]).toBe(FIXED);
  });
  it("a trap gate leaves IF", () => {
    const b = new Bench("protected");
    b.gate(0x20, { type: 0xf });
    b.exec(...INT(0x20));
    expect(b.flags & EFLAGS.IF).toBe(EFLAGS.IF);
  });
  it("inner privilege: SS:ESP from the TSS, the old ones in the frame", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect(b.stack(4, 5)).toEqual([AT.CODE + 2, S.CODE3 | 3, EFLAGS.IF | FIXED, AT.STACK3, S.DATA3 | 3]);
    expect([b.rip, b.rsp, b.cpu.cpl]).toEqual([handler(0x20), AT.STACK0 - 20, 0]);
    expect(b.selectors(SEG.CS, SEG.SS, SEG.DS)).toEqual([S.CODE0, S.DATA0, S.DATA3 | 3]);
  });
  it("to privilege level 1", () => {
    const b = new Bench("protected");
    b.gate(0x20, { dpl: 3, selector: S.CODE1 });
    b.atCpl(3, "protected");
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect([b.cpu.cpl, b.rsp, ...b.selectors(SEG.CS, SEG.SS)]).toEqual([1, AT.STACK1 - 20, S.CODE1 | 1, S.DATA1 | 1]);
  });
  it("conforming code runs at the interrupted privilege", () => {
    const b = new Bench("protected");
    b.gate(0x20, { dpl: 3, selector: S.CONFORMING });
    b.atCpl(3, "protected");
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect([b.cpu.cpl, b.rsp, b.cpu.selector(SEG.CS)]).toEqual([3, AT.STACK3 - 12, S.CONFORMING | 3]);
  });
  it("a 16-bit gate pushes words", () => {
    const b = new Bench("protected");
    b.gate(0x20, { type: 6, dpl: 3, selector: S.CODE0_16, offset: 0x1234 });
    b.atCpl(3, "protected");
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect([b.rip, b.rsp]).toEqual([0x1234, AT.STACK0 - 10]);
    expect(b.stack(2, 5)).toEqual([2, S.CODE3 | 3, EFLAGS.IF | FIXED, 0, S.DATA3 | 3]);
  });
  it("an exception pushes its error code and sets RF in the image", () => {
    const b = new Bench("protected");
    deliverException(b.cpu, gp(0x18, "for a test"));
    expect(b.stack(4, 4)).toEqual([0x18, AT.CODE, S.CODE0, EFLAGS.IF | EFLAGS.RF | FIXED]);
    expect(b.events).toEqual([
      {
        kind: "exception",
        vector: 13,
        errorCode: 0x18,
        why: "for a test",
        fromCpl: 0,
        toCpl: 0,
        fromIp: AT.CODE,
        toIp: handler(13),
      },
    ]);
  });
  it("an interrupt has neither", () => {
    const b = new Bench("protected");
    deliverInterrupt(b.cpu, 0x20, "interrupt");
    expect(b.stack(4, 3)).toEqual([AT.CODE, S.CODE0, EFLAGS.IF | FIXED]);
  });
  it.each([
    ["gate DPL below CPL", {}, V.GP, 0x2a * 8 + 2, /DPL 0, below CPL 3/],
    ["not present", { dpl: 3, present: false }, V.NP, 0x2a * 8 + 2, /not present/],
    ["no gate", { dpl: 3, type: 9 }, V.GP, 0x2a * 8 + 2, /not an interrupt, trap or task gate/],
    ["null code selector", { dpl: 3, selector: 0 }, V.GP, 0, /code selector is null/],
    ["selector outside", { dpl: 3, selector: 0x100 }, V.GP, 0x100, /outside the GDT/],
    ["selector of data", { dpl: 3, selector: S.DATA0 }, V.GP, S.DATA0, /not name a code segment/],
    ["code not present", { dpl: 3, selector: S.ABSENT_CODE3 }, V.NP, S.ABSENT_CODE3, /not present/],
  ] as const)("INT n: %s", (_name, options, vector, code, why) => {
    const b = new Bench("protected");
    b.gate(0x2a, options);
    b.atCpl(3, "protected");
    b.expectFault(vector, code, why, ...INT(0x2a));
  });
  it.each([
    ["null SS0", 0, V.TS, 0, /SS0 in the TSS is null/],
    ["SS0 outside", 0x100, V.TS, 0x100, /outside the GDT/],
    ["SS0 with RPL 3", S.DATA0 | 3, V.TS, S.DATA0, /RPL 3, not the privilege level 0/],
    ["SS0 of DPL 3", S.DATA3, V.TS, S.DATA3, /DPL 3, not the privilege level 0/],
    ["SS0 that is code", S.CODE0, V.TS, S.CODE0, /writable data/],
  ] as const)("stack from the TSS: %s", (_name, ss0, vector, code, why) => {
    const b = new Bench("protected");
    b.write(AT.TSS + 8, 4, ss0);
    b.atCpl(3, "protected");
    b.expectFault(vector, code, why, ...INT(0x20));
  });
  it("vectors outside the IDT, and a TSS too small", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    b.cpu.set32(OFF.IDTR_LIMIT, 0x105);
    b.expectFault(V.GP, 0x20 * 8 + 2, /outside the IDT/, ...INT(0x20));
    b.cpu.set32(OFF.IDTR_LIMIT, 0xfff);
    b.cpu.set32(OFF.SEG + SEG.TR * 0x40 + 8, 8);
    b.expectFault(V.TS, S.TSS, /ESP0 is outside the TSS/, ...INT(0x20));
  });
  it("INT1 ignores the gate's DPL; INT3 does not", () => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    b.gate(3, { dpl: 0 });
    b.expectFault(V.GP, 3 * 8 + 2, /DPL 0/, 0xcc);
    expect(b.exec(0xf1)).toBeUndefined();
    expect(b.rip).toBe(handler(1));
  });
  it("INTO only with OF", () => {
    const b = new Bench("protected");
    expect(b.exec(0xce)).toBeUndefined();
    expect(b.rip).toBe(AT.CODE + 1);
    b.setFlags(EFLAGS.OF);
    b.exec(0xce);
    expect(b.rip).toBe(handler(4));
  });
});

describe("from virtual-8086 mode", () => {
  it("to ring 0: the segment registers go on the stack and become null", () => {
    const b = new Bench("v86");
    deliverInterrupt(b.cpu, 0x20, "interrupt");
    expect(b.stack(4, 9)).toEqual([
      0x100,
      0x2000,
      EFLAGS.VM | EFLAGS.IF | FIXED,
      0x1000,
      0x3000,
      0x2222,
      0x1111,
      0x3333,
      0x4444,
    ]);
    expect([b.cpu.cpl, b.rsp, b.flags]).toEqual([0, AT.STACK0 - 36, FIXED]);
    expect(b.events).toEqual([
      { kind: "interrupt", vector: 0x20, fromCpl: 3, toCpl: 0, fromIp: 0x20100, toIp: handler(0x20) },
    ]);
    expect(b.selectors(SEG.CS, SEG.SS, SEG.ES, SEG.DS, SEG.FS, SEG.GS)).toEqual([S.CODE0, S.DATA0, 0, 0, 0, 0]);
    expect(b.cpu.segAttr(SEG.DS) & SEG_NULL).toBe(SEG_NULL);
  });
  it("INT n needs IOPL 3", () => {
    const b = new Bench("v86");
    b.expectFault(V.GP, 0, /IOPL below 3/, ...INT(0x20));
    b.setFlags(EFLAGS.VM | EFLAGS.IOPL);
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect(b.rip).toBe(handler(0x20));
  });
  it("INT3 does not need IOPL", () => {
    const b = new Bench("v86");
    expect(b.exec(0xcc)).toBeUndefined();
    expect(b.rip).toBe(handler(3));
  });
  it("a handler that would not run at CPL 0 is #GP(selector)", () => {
    const b = new Bench("v86");
    b.gate(3, { dpl: 3, selector: S.CODE1 });
    b.expectFault(V.GP, S.CODE1, /must run at CPL 0/, 0xcc);
  });
  it("VME redirects INT n to the task's own table, with VIF in IF's place", () => {
    const b = new Bench("v86");
    b.cpu.set32(OFF.CR4, 1);
    b.write(AT.TSS + 0x200 - 32 + (0x21 >> 3), 1, 0xff & ~(1 << 1));
    b.write(0x21 * 4, 2, 0x1234);
    b.write(0x21 * 4 + 2, 2, 0x2100);
    b.setFlags(EFLAGS.VM | EFLAGS.VIF | EFLAGS.IF | EFLAGS.TF);
    expect(b.exec(...INT(0x21))).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.CS), b.rsp, b.cpu.cpl]).toEqual([0x1234, 0x2100, 0xffa, 3]);
    expect(b.stack(2, 3, 0x30ffa)).toEqual([0x102, 0x2000, EFLAGS.IF | EFLAGS.IOPL | EFLAGS.TF | FIXED]);
    expect(b.flags).toBe(EFLAGS.VM | EFLAGS.IF | FIXED);
  });
  it("VME with the bit set goes to the monitor", () => {
    const b = new Bench("v86");
    b.cpu.set32(OFF.CR4, 1);
    b.write(AT.TSS + 0x200 - 32 + (0x21 >> 3), 1, 0xff);
    b.expectFault(V.GP, 0, /IOPL below 3/, ...INT(0x21));
  });
});

describe("long mode", () => {
  it("from CPL 3: RSP0, null SS, five quadwords", () => {
    const b = new Bench("long");
    b.atCpl(3, "long");
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect(b.stack(8, 5)).toEqual([AT.CODE + 2, S.CODE3_64 | 3, EFLAGS.IF | FIXED, AT.STACK3, S.DATA3 | 3]);
    expect([b.cpu.cpl, b.rsp, b.cpu.selector(SEG.SS), b.cpu.segAttr(SEG.SS) & SEG_NULL]).toEqual([
      0,
      AT.STACK0 - 40,
      0,
      SEG_NULL,
    ]);
  });
  it("same privilege: RSP aligned to 16, SS kept", () => {
    const b = new Bench("long");
    b.cpu.setGpr(GPR.RSP, BigInt(AT.STACK0 - 3));
    b.exec(...INT(0x20));
    expect([b.rsp, b.cpu.selector(SEG.SS)]).toEqual([AT.STACK0 - 16 - 40, S.DATA0]);
    expect(b.stack(8, 5)[3]).toBe(AT.STACK0 - 3);
  });
  it("IST switches the stack even without a privilege change", () => {
    const b = new Bench("long");
    b.gate(2, { ist: 1 });
    deliverInterrupt(b.cpu, 2, "nmi");
    expect([b.rsp, b.cpu.selector(SEG.SS), b.cpu.get32(OFF.NMI_BLOCKED)]).toEqual([AT.IST1 - 40, S.DATA0, 1]);
  });
  it("from compatibility mode: 64-bit frame", () => {
    const b = new Bench("compat");
    b.atCpl(3, "compat");
    expect(b.exec(...INT(0x20))).toBeUndefined();
    expect(b.stack(8, 5)).toEqual([AT.CODE + 2, S.CODE3 | 3, EFLAGS.IF | FIXED, AT.STACK3, S.DATA3 | 3]);
    expect(b.cpu.mode & 3).toBe(2);
  });
  it("an error code makes six", () => {
    const b = new Bench("long");
    b.atCpl(3, "long");
    deliverException(b.cpu, gp(0x18, "for a test"));
    expect(b.stack(8, 6)).toEqual([
      0x18,
      AT.CODE,
      S.CODE3_64 | 3,
      EFLAGS.IF | EFLAGS.RF | FIXED,
      AT.STACK3,
      S.DATA3 | 3,
    ]);
  });
  it.each([
    ["32-bit code", { dpl: 3, selector: S.CODE0 }, V.GP, S.CODE0, /not a 64-bit one/],
    ["task gate", { dpl: 3, type: 5 }, V.GP, 0x2a * 8 + 2, /not a 64-bit interrupt or trap gate/],
    ["16-bit gate", { dpl: 3, type: 6 }, V.GP, 0x2a * 8 + 2, /not a 64-bit interrupt or trap gate/],
    ["not present", { dpl: 3, present: false }, V.NP, 0x2a * 8 + 2, /not present/],
    ["null selector", { dpl: 3, selector: 0 }, V.GP, 0, /null/],
  ] as const)("%s", (_name, options, vector, code, why) => {
    const b = new Bench("long");
    b.gate(0x2a, options);
    b.atCpl(3, "long");
    b.expectFault(vector, code, why, ...INT(0x2a));
  });
  it("non-canonical handler and non-canonical stack", () => {
    const b = new Bench("long");
    b.atCpl(3, "long");
    b.write(AT.IDT + 0x20 * 16 + 8, 4, 0x8000);
    b.expectFault(V.GP, 0, /RIP is not canonical/, ...INT(0x20));
    b.gate(0x20, { dpl: 3 });
    b.write(AT.TSS + 4, 8, 1n << 50n);
    b.expectFault(V.SS, 0, /stack pointer is not canonical/, ...INT(0x20));
  });
});

describe("faults while delivering", () => {
  const absent = (b: Bench, ...vectors: number[]) => vectors.forEach((v) => void b.gate(v, { present: false }));
  it("benign, then #NP: #NP is delivered with EXT", () => {
    const b = new Bench("protected");
    absent(b, V.UD);
    deliverException(b.cpu, fault(V.UD));
    expect(b.rip).toBe(handler(V.NP));
    expect(b.stack(4, 1)).toEqual([V.UD * 8 + 2 + 1]);
  });
  it("contributory, then contributory: #DF(0) at the first fault's RIP", () => {
    const b = new Bench("protected");
    absent(b, V.GP);
    deliverException(b.cpu, fault(V.GP, 8));
    expect(b.rip).toBe(handler(V.DF));
    expect(b.stack(4, 2)).toEqual([0, AT.CODE]);
    expect(b.events[0]!.why).toMatch(/#NP while delivering #GP \(for a test\): IDT entry 13 is not present/);
  });
  it("#PF while delivering #GP is delivered; #GP while delivering #PF is #DF", () => {
    const b = new Bench("long");
    b.gate(V.GP, { ist: 1 });
    b.mapPage(AT.IST1 - 0x1000, 5);
    deliverException(b.cpu, fault(V.GP));
    expect([b.rip, b.cpu.get32(OFF.CR2)]).toEqual([handler(V.PF), AT.IST1 - 8]);
    const c = new Bench("long");
    c.gate(V.PF, { dpl: 3, selector: S.DATA0 });
    deliverException(c.cpu, new Fault(V.PF, 2, "for a test", 0x1234, 0));
    expect([c.rip, c.cpu.get32(OFF.CR2)]).toEqual([handler(V.DF), 0x1234]);
  });
  it("#PF, then #PF: #DF, with CR2 of the second (what espfix64 relies on)", () => {
    const b = new Bench("long");
    b.cpu.setGpr(GPR.RSP, 0x7000n);
    b.mapPage(0x6000, 5);
    b.gate(V.DF, { ist: 1 });
    deliverException(b.cpu, new Fault(V.PF, 0, "for a test", 0x1234, 0));
    expect([b.rip, b.rsp, b.cpu.get32(OFF.CR2)]).toEqual([handler(V.DF), AT.IST1 - 48, 0x6ff8]);
  });
  it("a fault inside #DF shuts down and says why; the state is that of before", () => {
    const b = new Bench("protected");
    absent(b, V.GP, V.DF);
    deliverException(b.cpu, fault(V.GP));
    expect(b.cpu.get32(OFF.ACTIVITY)).toBe(2);
    expect(b.cpu.shutdownWhy).toMatch(
      /triple fault: while delivering the double fault, #NP: IDT entry 8 is not present/,
    );
    expect([b.rip, b.rsp]).toEqual([AT.CODE, AT.STACK0]);
  });
  it("an interrupt whose gate fails gives a plain fault with EXT", () => {
    const b = new Bench("protected");
    absent(b, 0x20);
    deliverInterrupt(b.cpu, 0x20, "interrupt");
    expect(b.rip).toBe(handler(V.NP));
    expect(b.stack(4, 1)).toEqual([0x20 * 8 + 2 + 1]);
  });
});

describe("what causes leave behind", () => {
  it("#PF: CR2, all 64 bits", () => {
    const b = new Bench("long");
    deliverException(b.cpu, new Fault(V.PF, 2, "for a test", 0x1234, -1));
    expect(b.cpu.get64(OFF.CR2)).toBe(0xffffffff00001234n);
  });
  it("#DB: DR6 gets the cause, DR7.GD is cleared, RF only for general detect", () => {
    const b = new Bench("protected");
    b.cpu.set32(DR6_AT, 0xffff0ff3);
    b.cpu.set32(DR7_AT, 0x2400);
    deliverException(b.cpu, debugException(DR6.BS, "for a test"));
    expect([b.cpu.get32(DR6_AT), b.cpu.get32(DR7_AT)]).toEqual([0xffff4ff0 | 0, 0x400]);
    expect(b.stack(4, 3)[2]).toBe(EFLAGS.IF | FIXED);
    const c = new Bench("protected");
    deliverException(c.cpu, debugException(DR6.BD, "for a test"));
    expect(c.stack(4, 3)[2]).toBe(EFLAGS.IF | EFLAGS.RF | FIXED);
  });
  it("an event wakes the processor from HLT", () => {
    const b = new Bench("protected");
    b.cpu.set32(OFF.ACTIVITY, 1);
    deliverInterrupt(b.cpu, 0x20, "interrupt");
    expect(b.cpu.get32(OFF.ACTIVITY)).toBe(0);
  });
});
