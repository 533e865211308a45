/** TF, BTF, shadows and latched events around the instructions that change where and how code runs. */
import { describe, expect, it } from "vitest";
import { PENDING } from "../../../../src/emu/cpu/cpu.ts";
import { AT, Bench, EFLAGS, GPR, handler, OFF, S, SEG, V, VENDORS, type Vendor } from "./kit.ts";

const put = (b: Bench, at: number, ...bytes: number[]) => bytes.forEach((v, i) => void b.write(at + i, 1, v));
const USER = AT.CODE;
const KERNEL = AT.GATE_TARGET;
const BS = 0x4000;
const SYSCALL = [0x0f, 0x05];
const SYSRETQ = [0x48, 0x0f, 0x07];
const SYSENTER = [0x0f, 0x34];
const SYSEXITQ = [0x48, 0x0f, 0x35];

function user(vendor: Vendor = "intel", mask: number = EFLAGS.TF | EFLAGS.IF): Bench {
  const b = new Bench("long", vendor);
  b.atCpl(3, "long");
  const { cpu } = b;
  cpu.set64(OFF.STAR, 0x0023_0028_0000_0000n);
  cpu.set64(OFF.LSTAR, BigInt(KERNEL));
  cpu.set64(OFF.SFMASK, BigInt(mask));
  cpu.set64(OFF.SYSENTER_CS, BigInt(S.CODE0_64));
  cpu.set64(OFF.SYSENTER_EIP, BigInt(KERNEL));
  cpu.set64(OFF.SYSENTER_ESP, BigInt(AT.STACK1));
  put(b, KERNEL, 0x90, 0x90, 0x90);
  return b;
}
/** Runs until a single-step trap is at its handler; the RIP in its frame. Undefined: none within `most` instructions. */
function trapAfter(b: Bench, most = 4): { rip: number; cs: number } | undefined {
  for (let i = 0; i < most; i++) {
    b.cpu.run(1);
    if (b.rip !== handler(V.DB)) continue;
    expect(b.cpu.get32(OFF.DR + 48) & BS).toBe(BS);
    const [rip, cs] = b.stack(8, 2) as [number, number];
    return { rip, cs };
  }
  return undefined;
}

describe("TF and the ways into the kernel", () => {
  it.each(VENDORS)("SYSCALL with TF in the mask: no trap, R11 has it (%s)", (vendor) => {
    const b = user(vendor);
    put(b, USER, ...SYSCALL);
    b.setFlags(EFLAGS.TF);
    expect(trapAfter(b)).toBeUndefined();
    expect(b.cpu.gprLow(GPR.R11) & EFLAGS.TF).toBe(EFLAGS.TF);
    expect(b.flags & EFLAGS.TF).toBe(0);
  });
  it.each(VENDORS)("SYSCALL without: a trap at the entry, in the kernel (%s)", (vendor) => {
    const b = user(vendor, EFLAGS.IF);
    put(b, USER, ...SYSCALL);
    b.setFlags(EFLAGS.TF);
    expect(trapAfter(b)).toEqual({ rip: KERNEL, cs: S.CODE0_64 });
  });
  it("SYSENTER masks no TF: a trap at the entry, in the kernel", () => {
    const b = user();
    put(b, USER, ...SYSENTER);
    b.setFlags(EFLAGS.TF);
    expect(trapAfter(b)).toEqual({ rip: KERNEL, cs: S.CODE0_64 });
  });
  it("INT n: no trap in the handler, one after IRET has restored TF and one more instruction has run", () => {
    const b = user();
    put(b, USER, 0xcd, 0x20, 0x90, 0x90);
    put(b, handler(0x20), 0x48, 0xcf);
    b.setFlags(EFLAGS.TF);
    expect(trapAfter(b, 6)).toEqual({ rip: USER + 3, cs: S.CODE3_64 | 3 });
  });
});

describe("TF and the ways out", () => {
  const kernel = (vendor: Vendor = "intel"): Bench => {
    const b = user(vendor);
    b.atCpl(0, "long");
    put(b, USER, 0x90, 0x90, 0x90, 0x90);
    b.cpu.setRip(KERNEL, 0);
    return b;
  };
  it.each(VENDORS)("SYSRET that sets TF traps before the first user instruction (%s)", (vendor) => {
    const b = kernel(vendor);
    put(b, KERNEL, ...SYSRETQ);
    b.cpu.setGpr(GPR.RCX, BigInt(USER));
    b.cpu.setGpr(GPR.R11, BigInt(EFLAGS.TF));
    expect(trapAfter(b)).toEqual({ rip: USER, cs: S.CODE3_64 | 3 });
  });
  it("IRETQ that sets TF traps after the first user instruction", () => {
    const b = kernel();
    put(b, KERNEL, 0x48, 0xcf);
    b.pushAll(8, [USER, S.CODE3_64 | 3, EFLAGS.TF | EFLAGS.FIXED, AT.STACK3, S.DATA3 | 3], AT.STACK1 - 64);
    expect(trapAfter(b)).toEqual({ rip: USER + 1, cs: S.CODE3_64 | 3 });
  });
  it("POPF that sets TF traps after the next instruction; one that clears it, after itself", () => {
    const b = kernel();
    put(b, KERNEL, 0x9d, 0x90);
    b.pushAll(8, [EFLAGS.TF | EFLAGS.FIXED], AT.STACK0 - 64);
    expect(trapAfter(b)).toEqual({ rip: KERNEL + 2, cs: S.CODE0_64 });
    const c = kernel();
    put(c, KERNEL, 0x9d, 0x90);
    c.pushAll(8, [EFLAGS.FIXED], AT.STACK0 - 64);
    c.setFlags(EFLAGS.TF);
    expect(trapAfter(c)).toEqual({ rip: KERNEL + 1, cs: S.CODE0_64 });
  });
  it("SYSEXIT leaves TF: a trap at its target", () => {
    const b = kernel();
    put(b, KERNEL, ...SYSEXITQ);
    b.cpu.setGpr(GPR.RDX, BigInt(USER));
    b.cpu.setGpr(GPR.RCX, BigInt(AT.STACK3));
    b.setFlags(EFLAGS.TF);
    expect(trapAfter(b)).toEqual({ rip: USER, cs: (S.CODE0_64 + 32) | 3 });
  });
});

describe("the shadow of MOV SS", () => {
  const MOV_SS = [0x8e, 0xd0];
  function machine(): Bench {
    const b = user();
    b.cpu.setGpr(GPR.RAX, BigInt(S.DATA3 | 3));
    return b;
  }
  it("holds a single step back for one instruction", () => {
    const b = machine();
    put(b, USER, ...MOV_SS, 0x90, 0x90);
    b.setFlags(EFLAGS.TF);
    expect(trapAfter(b)?.rip).toBe(USER + 3);
  });
  it("a data breakpoint hit by MOV SS comes after the next instruction, be it in the kernel", () => {
    // mov ss, [rdi]; syscall, as in CVE-2018-8897.
    for (const [code, length, rip] of [
      [[0x90], 1, USER + 3],
      [SYSCALL, 2, KERNEL],
    ] as const) {
      const b = machine();
      b.write(0x100000, 2, S.DATA3 | 3);
      b.cpu.setGpr(GPR.RDI, 0x100000n);
      b.cpu.set64(OFF.DR, 0x100000n);
      b.cpu.set64(OFF.DR + 56, BigInt(0x400 | 1 | (3 << 16) | (1 << 18)));
      b.cpu.debugRegistersChanged();
      put(b, USER, 0x8e, 0x17, ...code);
      expect(code.length).toBe(length);
      for (let i = 0; i < 4 && b.rip !== handler(V.DB); i++) b.cpu.run(1);
      expect([b.rip, b.stack(8, 1)[0], b.cpu.get32(OFF.DR + 48) & 0xf]).toEqual([handler(V.DB), rip, 1]);
    }
  });
  it("POP SS has it (32-bit code), LSS has none", () => {
    const b = new Bench("protected");
    put(b, AT.CODE, 0x17, 0x90, 0x90);
    b.pushAll(4, [S.DATA0], AT.STACK0 - 64);
    b.setFlags(EFLAGS.TF);
    for (let i = 0; i < 4 && b.rip !== handler(V.DB); i++) b.cpu.run(1);
    expect(b.stack(4, 1)[0]).toBe(AT.CODE + 2);
    const c = new Bench("protected");
    put(c, AT.CODE, 0x0f, 0xb2, 0x27, 0x90, 0x90);
    c.cpu.setGpr(GPR.RDI, 0x6000n);
    c.write(0x6000, 4, AT.STACK0);
    c.write(0x6004, 2, S.DATA0);
    c.setFlags(EFLAGS.TF);
    for (let i = 0; i < 4 && c.rip !== handler(V.DB); i++) c.cpu.run(1);
    expect(c.stack(4, 1)[0]).toBe(AT.CODE + 3);
  });
  it("an NMI waits for it, and is taken after the next instruction", () => {
    const b = machine();
    put(b, USER, ...MOV_SS, 0x90, 0x90);
    b.cpu.run(1);
    b.cpu.raise(PENDING.NMI);
    b.cpu.run(1);
    expect(b.rip).toBe(USER + 3);
    b.cpu.run(1);
    expect([b.rip, b.stack(8, 1)[0]]).toEqual([handler(2), USER + 3]);
  });
});

describe("the shadow of STI", () => {
  it("a pending interrupt comes after the instruction that follows, HLT too", () => {
    for (const next of [0x90, 0xf4]) {
      const b = new Bench("long");
      b.cpu.hooks.interruptVector = () => {
        b.cpu.lower(PENDING.INTR);
        return 0x20;
      };
      put(b, AT.CODE, 0xfb, next, 0x90);
      b.setFlags(0);
      b.cpu.raise(PENDING.INTR);
      b.cpu.run(3);
      expect([b.rip, b.stack(8, 1)[0]]).toEqual([handler(0x20), AT.CODE + 2]);
    }
  });
  it("STI; CLI lets nothing in; a second STI opens no second shadow", () => {
    const b = new Bench("long");
    b.cpu.hooks.interruptVector = () => 0x20;
    put(b, AT.CODE, 0xfb, 0xfa, 0x90, 0x90);
    b.setFlags(0);
    b.cpu.raise(PENDING.INTR);
    b.cpu.run(4);
    expect(b.rip).toBe(AT.CODE + 4);
    const c = new Bench("long");
    c.cpu.hooks.interruptVector = () => {
      c.cpu.lower(PENDING.INTR);
      return 0x20;
    };
    put(c, AT.CODE, 0xfb, 0xfb, 0x90, 0x90);
    c.setFlags(0);
    c.cpu.raise(PENDING.INTR);
    c.cpu.run(3);
    expect([c.rip, c.stack(8, 1)[0]]).toEqual([handler(0x20), AT.CODE + 2]);
  });
  it("does not hold a single step back", () => {
    const b = new Bench("long");
    put(b, AT.CODE, 0xfb, 0x90);
    b.setFlags(EFLAGS.TF);
    expect(trapAfter(b)?.rip).toBe(AT.CODE + 1);
  });
});

describe("latched NMIs", () => {
  it("two that come while one is being handled are one; a fault in the handler does not let it in, its IRET does", () => {
    const b = new Bench("long");
    put(b, AT.CODE, 0x90, 0x90, 0x90, 0x90);
    put(b, handler(2), 0x0f, 0x0b, 0x48, 0xcf);
    // The #UD handler skips the two bytes and returns.
    put(b, handler(V.UD), 0x48, 0x83, 0x04, 0x24, 0x02, 0x48, 0xcf);
    b.cpu.raise(PENDING.NMI);
    b.cpu.run(1);
    expect(b.rip).toBe(handler(2));
    b.cpu.raise(PENDING.NMI);
    b.cpu.raise(PENDING.NMI);
    b.cpu.run(2);
    expect(b.rip).toBe(handler(V.UD) + 5);
    b.cpu.run(1);
    // IRET of the nested handler: the second NMI comes inside the first.
    expect(b.rip).toBe(handler(2) + 2);
    b.cpu.run(1);
    expect([b.rip, b.stack(8, 1)[0]]).toEqual([handler(2), handler(2) + 2]);
    expect(b.cpu.get32(OFF.PENDING) & PENDING.NMI).toBe(0);
  });
});

describe("BTF", () => {
  it("traps on the branch that is taken, not on what falls through, and once", () => {
    const b = user();
    b.cpu.set32(OFF.DEBUGCTL, 2);
    put(b, USER, 0x90, 0x75, 0x10, 0xeb, 0x05);
    b.setFlags(EFLAGS.TF | EFLAGS.ZF);
    // The NOP, JNZ not taken, JMP taken.
    expect(trapAfter(b, 4)?.rip).toBe(USER + 10);
    expect(b.cpu.get32(OFF.DEBUGCTL)).toBe(0);
    expect(b.cpu.selector(SEG.CS)).toBe(S.CODE0_64);
  });
});
