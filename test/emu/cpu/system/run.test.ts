/** System instructions under the run loop: where faults, shadows, traps and NMIs meet it. */
import { describe, expect, it } from "vitest";
import { PENDING } from "../../../../src/emu/cpu/cpu.ts";
import { CR4 } from "../../../../src/emu/cpu/layout.ts";
import { AT, Bench, EFLAGS, GPR, handler, OFF, S, SEG, V, VENDORS } from "./kit.ts";

const put = (b: Bench, at: number, ...bytes: number[]) => bytes.forEach((v, i) => void b.write(at + i, 1, v));
const USER = AT.CODE;
const KERNEL = AT.GATE_TARGET;

function user(vendor: "intel" | "amd" = "intel"): Bench {
  const b = new Bench("long", vendor);
  b.atCpl(3, "long");
  b.cpu.set64(OFF.STAR, 0x0023_0028_0000_0000n);
  b.cpu.set64(OFF.LSTAR, BigInt(KERNEL));
  b.cpu.set64(OFF.SFMASK, BigInt(EFLAGS.IF | EFLAGS.TF));
  return b;
}

describe("the run loop", () => {
  it.each(VENDORS)("SYSCALL and SYSRET, two instructions (%s)", (vendor) => {
    const b = user(vendor);
    put(b, USER, 0x0f, 0x05);
    put(b, KERNEL, 0x48, 0x0f, 0x07);
    expect(b.cpu.run(2)).toEqual({ kind: "budget" });
    expect([b.rip, b.cpu.cpl, Number(b.cpu.icount)]).toEqual([USER + 2, 3, 2]);
  });
  it("AMD: SYSRET to a non-canonical RIP faults at CPL 3", () => {
    const b = user("amd");
    put(b, USER, 0x0f, 0x05);
    put(b, KERNEL, 0x48, 0xff, 0xc9, 0x48, 0x0f, 0x07);
    b.cpu.run(1);
    b.cpu.setGpr(GPR.RCX, (1n << 47n) + 1n);
    b.cpu.run(3);
    expect([b.rip, b.cpu.cpl]).toEqual([handler(V.GP), 0]);
    expect([b.read64(b.rsp + 8), b.stack(8, 3)[2]]).toEqual([1n << 47n, 0x33]);
  });
  it("a fault's frame has the faulting instruction, RF set, and the error code", () => {
    const b = user();
    put(b, USER, 0x90, 0xf4);
    b.cpu.run(2);
    expect([b.rip, ...b.stack(8, 4)]).toEqual([handler(V.GP), 0, USER + 1, 0x33, EFLAGS.IF | EFLAGS.RF | EFLAGS.FIXED]);
  });
  it("INT n that is refused faults at the INT, and one that is allowed returns after it", () => {
    const b = user();
    put(b, USER, 0xcd, 0x10);
    b.cpu.run(1);
    expect([b.rip, ...b.stack(8, 2)]).toEqual([handler(V.GP), 0x10 * 8 + 2, USER]);
    const c = user();
    put(c, USER, 0xcd, 0x20);
    put(c, handler(0x20), 0x48, 0xcf);
    c.cpu.run(2);
    expect([c.rip, c.cpu.cpl, c.rsp]).toEqual([USER + 2, 3, AT.STACK3]);
  });
  it("MOV SS holds an interrupt back for one instruction", () => {
    const b = new Bench("long");
    b.cpu.hooks.interruptVector = () => {
      b.cpu.lower(PENDING.INTR);
      return 0x20;
    };
    put(b, AT.CODE, 0x8e, 0xd0, 0x90, 0x90);
    b.cpu.setGpr(GPR.RAX, BigInt(S.DATA0));
    b.setFlags(0);
    b.cpu.run(1);
    b.setFlags(EFLAGS.IF);
    b.cpu.raise(PENDING.INTR);
    b.cpu.run(1);
    expect(b.rip).toBe(AT.CODE + 3);
    b.cpu.run(1);
    expect([b.rip, b.stack(8, 1)[0]]).toEqual([handler(0x20), AT.CODE + 3]);
  });
  it("STI; HLT is not interrupted in between", () => {
    const b = new Bench("long");
    b.cpu.hooks.interruptVector = () => {
      b.cpu.lower(PENDING.INTR);
      return 0x20;
    };
    put(b, AT.CODE, 0xfb, 0xf4);
    b.setFlags(0);
    b.cpu.raise(PENDING.INTR);
    b.cpu.run(3);
    expect([b.rip, b.stack(8, 1)[0]]).toEqual([handler(0x20), AT.CODE + 2]);
  });
  it("an NMI waits for the IRET of the one before", () => {
    const b = new Bench("long");
    put(b, AT.CODE, 0x90, 0x90);
    put(b, handler(2), 0x90, 0x48, 0xcf);
    b.cpu.raise(PENDING.NMI);
    b.cpu.run(1);
    expect(b.rip).toBe(handler(2));
    b.cpu.raise(PENDING.NMI);
    b.cpu.run(1);
    expect(b.rip).toBe(handler(2) + 1);
    b.cpu.run(1);
    expect(b.rip).toBe(AT.CODE);
    b.cpu.run(1);
    expect(b.rip).toBe(handler(2));
  });
  it("single step: a trap after the instruction, none after the INT that cleared TF", () => {
    const b = user();
    put(b, USER, 0x90, 0xcd, 0x20);
    b.setFlags(EFLAGS.TF);
    b.cpu.run(2);
    expect([b.rip, b.stack(8, 1)[0], b.cpu.get32(OFF.DR + 48) & 0x4000]).toEqual([handler(1), USER + 1, 0x4000]);
    const c = user();
    put(c, USER, 0xcd, 0x20);
    c.setFlags(EFLAGS.TF);
    c.cpu.run(2);
    expect(c.rip).toBe(handler(0x20) + 2);
  });
  it("a far JMP changes the width of the code that follows", () => {
    const b = new Bench("compat");
    b.atCpl(3, "compat");
    put(b, AT.CODE, 0xea, 0x00, 0x10, 0x02, 0x00, S.CODE3_64, 0x00);
    put(b, AT.CODE + 0x1000, 0x48, 0xff, 0xc0);
    b.cpu.setGpr(GPR.RAX, 0xffffffffn);
    b.cpu.run(2);
    expect(b.cpu.gpr(GPR.RAX)).toBe(0x100000000n);
  });
  it("SMAP: AC opens user pages to the kernel", () => {
    const b = new Bench("long");
    b.cpu.set32(OFF.CR4, CR4.PAE | CR4.SMAP);
    for (const at of [AT.CODE, AT.STACK0 - 0x1000, AT.HANDLERS]) b.mapPage(at, 3);
    put(b, AT.CODE, 0x8b, 0x03, 0x0f, 0x01, 0xcb, 0x8b, 0x03);
    b.cpu.setGpr(GPR.RBX, 0x5000n);
    b.mapPage(AT.TSS, 3);
    b.mapPage(AT.GDT, 3);
    b.mapPage(AT.IDT, 3);
    b.cpu.setRip(AT.CODE + 2, 0);
    b.cpu.run(2);
    expect(b.rip).toBe(AT.CODE + 7);
    b.exec(0x0f, 0x01, 0xca);
    b.cpu.setRip(AT.CODE, 0);
    b.cpu.run(1);
    expect([b.rip, b.cpu.get32(OFF.CR2), b.cpu.selector(SEG.CS)]).toEqual([handler(V.PF), 0x5000, S.CODE0_64]);
  });
});
