/** Limits, wraparound and the instructions that walk frames and bounds, executed by the run loop in 16- and 32-bit code. */
import { describe, expect, it } from "vitest";
import { fromHex } from "../kit.ts";
import { AT, Bench, EFLAGS, GPR, handler, OFF, S, SEG, V } from "./kit.ts";

const put = (b: Bench, at: number, hex: string) => fromHex(hex).forEach((v, i) => void b.write(at + i, 1, v));
/** Vector of the fault that one instruction raises in 32-bit protected mode; its error code is on the stack. */
function run(b: Bench, hex: string, count = 1): number | undefined {
  put(b, AT.CODE, hex);
  b.cpu.setRip(AT.CODE, 0);
  b.cpu.flushCode();
  b.cpu.run(count);
  const vector = (b.rip - handler(0)) / 16;
  return Number.isInteger(vector) && vector >= 0 && vector < 48 ? vector : undefined;
}

describe("expand-down data: above the limit up to 64K or 4G", () => {
  const at = (big: boolean, offset: number, size: 1 | 2 | 4, write: boolean) => {
    const b = new Bench("protected");
    b.atCpl(3, "protected");
    // DPL 3, limit 0xfff; D/B clear: up to 0xffff.
    b.write(AT.GDT + S.EXPAND_DOWN3 + 6, 1, big ? 0x40 : 0);
    b.load(SEG.DS, S.EXPAND_DOWN3 | 3);
    b.cpu.updateMode();
    b.cpu.setGpr(GPR.RDI, BigInt(offset >>> 0));
    const opcode = { 1: write ? "8807" : "8a07", 2: write ? "668907" : "668b07", 4: write ? "8907" : "8b07" }[size];
    return run(b, opcode);
  };
  it.each([
    [true, 0xfff, 1, V.GP],
    [true, 0xffd, 4, V.GP],
    [true, 0x1000, 4, undefined],
    [true, 0x10000, 4, undefined],
    [false, 0xfff, 1, V.GP],
    [false, 0x1000, 2, undefined],
    [false, 0xfffc, 4, undefined],
    [false, 0xfffd, 4, V.GP],
    [false, 0x10000, 1, V.GP],
  ] as const)("B=%s, offset %i, %i bytes", (big, offset, size, want) => {
    expect(at(big, offset, size, false)).toBe(want);
    expect(at(big, offset, size, true)).toBe(want);
  });
  it("a byte at the very top is inside, a dword that goes past it is not", () => {
    const b = new Bench("protected");
    b.load(SEG.DS, S.EXPAND_DOWN3);
    b.cpu.updateMode();
    b.cpu.setGpr(GPR.RDI, 0xffff_fffdn);
    expect(run(b, "8b07")).toBe(V.GP);
  });
});

describe("a limit of bytes", () => {
  const limited = (seg: "ds" | "ss", offset: number, hex: string) => {
    const b = new Bench("protected");
    b.write(AT.GDT + 0xf0, 4, 0x0fff);
    b.write(AT.GDT + 0xf4, 4, 0x0040_9200);
    b.load(seg === "ds" ? SEG.DS : SEG.SS, 0xf0);
    b.cpu.updateMode();
    b.cpu.setGpr(GPR.RDI, BigInt(offset));
    b.cpu.setGpr(GPR.RSP, BigInt(offset));
    return run(b, hex);
  };
  it.each([
    [0xfff, "8a07", undefined],
    [0x1000, "8a07", V.GP],
    [0xffc, "8b07", undefined],
    [0xffd, "8b07", V.GP],
    [0xfff, "0f1f00", undefined],
  ] as const)("DS:%i", (offset, hex, want) => {
    expect(limited("ds", offset, hex)).toBe(want);
  });
  it("the stack: #SS(0), whose own delivery finds no room either", () => {
    const b = new Bench("protected");
    b.write(AT.GDT + 0xf0, 4, 0x0fff);
    b.write(AT.GDT + 0xf4, 4, 0x0040_9200);
    b.load(SEG.SS, 0xf0);
    b.gate(V.DF, { type: 5, selector: S.TSS_B });
    b.write(AT.TSS_B + 0x20, 4, 0x6000);
    b.write(AT.TSS_B + 0x38, 4, 0x7000);
    for (const at of [0x4c, 0x50]) b.write(AT.TSS_B + at, 4, at === 0x4c ? S.CODE0 : S.DATA0);
    b.cpu.updateMode();
    b.cpu.setGpr(GPR.RSP, 0x2000n);
    put(b, AT.CODE, "50");
    b.cpu.run(1);
    expect([b.rip, b.cpu.selector(SEG.TR)]).toEqual([0x6000, S.TSS_B]);
  });
});

describe("16-bit offsets", () => {
  const real = (setUp: (b: Bench) => void, hex: string, count = 1) => {
    const b = new Bench("real");
    for (let v = 0; v < 32; v++) b.write(v * 4, 4, 0x5000 + v * 16);
    put(b, 0x1000, hex);
    b.cpu.setRip(0x1000, 0);
    b.cpu.setGpr(GPR.RSP, 0x8000n);
    setUp(b);
    b.cpu.run(count);
    const vector = (b.rip - 0x5000) / 16;
    return { b, vector: vector >= 0 && vector < 32 ? vector : undefined };
  };
  it("base and index wrap round at 64K", () => {
    const { b, vector } = real((x) => {
      x.cpu.setGpr(GPR.RBX, 0xfff0n);
      x.cpu.setGpr(GPR.RSI, 0x20n);
      x.write(0x10, 2, 0xbeef);
    }, "8b00");
    expect([vector, b.cpu.gprLow(GPR.RAX) & 0xffff]).toEqual([undefined, 0xbeef]);
  });
  it.each([
    ["a word at FFFF", GPR.RBX, "8b07", 0xffff, V.GP],
    ["a word at FFFF of the stack segment", GPR.RBP, "8b4600", 0xffff, V.SS],
    ["a dword at FFFE", GPR.RBX, "668b07", 0xfffe, V.GP],
  ] as const)("%s", (_name, reg, hex, value, want) => {
    expect(real((b) => b.cpu.setGpr(reg, BigInt(value)), hex).vector).toBe(want);
  });
  it("a push at SP = 0 goes to FFFE; one at SP = 1 has no room", () => {
    const { b } = real((x) => {
      x.cpu.setGpr(GPR.RSP, 0n);
      x.cpu.setGpr(GPR.RAX, 0x1234n);
    }, "50");
    expect([b.rsp, b.read(0xfffe, 2)]).toEqual([0xfffe, 0x1234]);
    const { b: c } = real((x) => x.cpu.setGpr(GPR.RSP, 1n), "50");
    expect(c.cpu.get32(OFF.ACTIVITY)).toBe(2);
  });
  it("SI and DI wrap from element to element", () => {
    const { b } = real(
      (x) => {
        x.cpu.setGpr(GPR.RSI, 0xfffen);
        x.cpu.setGpr(GPR.RDI, 0x3000n);
        x.cpu.setGpr(GPR.RCX, 2n);
        x.write(0xfffe, 2, 0x1111);
        x.write(0, 2, 0x2222);
      },
      "f3a5",
      2,
    );
    expect([b.read(0x3000, 2), b.read(0x3002, 2), b.cpu.gprLow(GPR.RSI) & 0xffff]).toEqual([0x1111, 0x2222, 2]);
  });
  it("32-bit offsets above 64K are #GP", () => {
    expect(real((b) => b.cpu.setGpr(GPR.RBX, 0x10000n), "678a03").vector).toBe(V.GP);
  });
  it("IP that runs past FFFF is #GP at the next instruction", () => {
    const { b } = real(
      (x) => {
        x.write(0xffff, 1, 0x90);
        x.cpu.setRip(0xffff, 0);
      },
      "90",
      2,
    );
    expect([b.rip, b.read(b.rsp, 2)]).toEqual([0x5000 + V.GP * 16, 0]);
  });
});

describe("ENTER", () => {
  it.each([0, 1, 2, 5, 31, 32 + 3])("level %i copies the frame pointers of the enclosing ones", (level) => {
    const b = new Bench("protected");
    const deep = level & 31;
    const frames = 0x6000;
    for (let i = 1; i <= 32; i++) b.write(frames - i * 4, 4, 0xf000 + i);
    b.cpu.setGpr(GPR.RBP, BigInt(frames));
    b.cpu.setGpr(GPR.RSP, 0x7000n);
    expect(run(b, `c82400${level.toString(16).padStart(2, "0")}`)).toBeUndefined();
    expect(b.cpu.gprLow(GPR.RBP)).toBe(0x7000 - 4);
    expect(b.rsp).toBe(0x7000 - 4 - deep * 4 - 0x24);
    const copied = Array.from({ length: Math.max(deep - 1, 0) }, (_, i) => 0xf000 + i + 1);
    const want = [frames, ...copied, ...(deep > 0 ? [0x7000 - 4] : [])];
    expect(want.map((_, i) => b.read(0x7000 - 4 - i * 4, 4))).toEqual(want);
  });
  it("no room for the locals: #SS, and nothing has changed", () => {
    const b = new Bench("protected");
    b.gate(V.SS, { type: 5, selector: S.TSS_B });
    b.write(AT.TSS_B + 0x20, 4, 0x6000);
    b.write(AT.TSS_B + 0x38, 4, 0x7000);
    b.write(AT.TSS_B + 0x4c, 4, S.CODE0);
    b.write(AT.TSS_B + 0x50, 4, S.DATA0);
    b.write(AT.GDT + 0xf0, 4, 0x5fff);
    b.write(AT.GDT + 0xf4, 4, 0x0040_9600);
    b.load(SEG.SS, 0xf0);
    b.cpu.setGpr(GPR.RSP, 0x6010n);
    b.cpu.setGpr(GPR.RBP, 0x7777n);
    b.cpu.updateMode();
    put(b, AT.CODE, "c8200000");
    b.cpu.run(1);
    expect(b.cpu.selector(SEG.TR)).toBe(S.TSS_B);
    expect([b.read(AT.TSS + 0x38, 4), b.read(AT.TSS + 0x3c, 4)]).toEqual([0x6010, 0x7777]);
  });
});

describe("BOUND", () => {
  it.each([
    [5, undefined],
    [-3, undefined],
    [9, undefined],
    [10, V.BR],
    [-4, V.BR],
  ] as const)("index %i between -3 and 9", (index, want) => {
    const b = new Bench("protected");
    b.write(0x6000, 4, -3);
    b.write(0x6004, 4, 9);
    b.cpu.setGpr(GPR.RDI, 0x6000n);
    b.cpu.setGpr(GPR.RAX, BigInt(index >>> 0));
    expect(run(b, "6207")).toBe(want);
    // A fault: the return address is that of BOUND.
    if (want !== undefined) expect(b.stack(4, 1)[0]).toBe(AT.CODE);
  });
  it("16 bits", () => {
    const b = new Bench("protected");
    b.write(0x6000, 4, 0x0009_fffd);
    b.cpu.setGpr(GPR.RDI, 0x6000n);
    b.cpu.setGpr(GPR.RAX, 0xffff_000an);
    expect(run(b, "666207")).toBe(V.BR);
  });
  it("with a register operand is #UD, and in 64-bit mode an EVEX prefix", () => {
    expect(run(new Bench("protected"), "62c0")).toBe(V.UD);
    expect(run(new Bench("long"), "6207")).toBe(V.UD);
  });
});

describe("ARPL", () => {
  const arpl = (target: number, source: number, hex = "63c8") => {
    const b = new Bench("protected");
    b.cpu.setGpr(GPR.RAX, BigInt(0xabcd_0000 + target));
    b.cpu.setGpr(GPR.RCX, BigInt(source));
    b.cpu.setGpr(GPR.RDI, 0x6000n);
    b.write(0x6000, 2, target);
    b.setFlags(EFLAGS.CF | EFLAGS.OF);
    const vector = run(b, hex);
    return {
      vector,
      value: b.cpu.gprLow(GPR.RAX) >>> 0,
      memory: b.read(0x6000, 2),
      zf: (b.flags & EFLAGS.ZF) !== 0,
      b,
    };
  };
  it("raises the RPL, and says so in ZF alone", () => {
    for (let target = 0; target < 4; target++) {
      for (let source = 0; source < 4; source++) {
        const { value, zf, b } = arpl(0x40 | target, 0x18 | source);
        expect([value, zf]).toEqual([0xabcd_0040 + Math.max(target, source), target < source]);
        expect(b.flags & (EFLAGS.CF | EFLAGS.OF)).toBe(EFLAGS.CF | EFLAGS.OF);
      }
    }
  });
  it("in memory", () => {
    expect(arpl(0x40, 3, "630f").memory).toBe(0x43);
    expect(arpl(0x43, 1, "630f").memory).toBe(0x43);
  });
  it("is #UD in real and virtual-8086 mode, MOVSXD in 64-bit mode", () => {
    const b = new Bench("v86");
    put(b, 0x20100, "63c8");
    b.cpu.run(1);
    expect(b.rip).toBe(handler(V.UD));
    const c = new Bench("long");
    c.cpu.setGpr(GPR.RAX, 0x8000_0000n);
    expect(run(c, "4863c8")).toBeUndefined();
    expect(c.cpu.gpr(GPR.RCX)).toBe(0xffff_ffff_8000_0000n);
  });
});

describe("the I/O permission bitmap at its edges", () => {
  /** Allows ports by clearing bits; the bitmap starts at `base`, the TSS ends at `limit`. */
  const machine = (base: number, limit: number, allowed: readonly number[]) => {
    const b = new Bench("protected");
    b.write(AT.TSS + 0x66, 2, base);
    for (let i = 0; i < 0x200; i++) b.write(AT.TSS + base + i, 1, 0xff);
    for (const port of allowed) {
      const at = AT.TSS + base + (port >> 3);
      b.write(at, 1, b.read(at, 1) & ~(1 << (port & 7)));
    }
    b.write(AT.GDT + S.TSS, 2, limit);
    b.changeAccess(S.TSS, 0x89);
    b.cpu.setGpr(GPR.RAX, BigInt(S.TSS));
    expect(b.exec(0x0f, 0x00, 0xd8)).toBeUndefined();
    b.atCpl(3, "protected");
    return b;
  };
  const port = (b: Bench, number: number, hex: string) => {
    b.cpu.setGpr(GPR.RDX, BigInt(number));
    return run(b, hex);
  };
  it.each([
    ["IN AL", "ec", [0x47], undefined],
    ["IN AX across two bytes of the map", "66ed", [0x47, 0x48], undefined],
    ["IN AX, the second port forbidden", "66ed", [0x47], V.GP],
    ["IN EAX across two bytes", "ed", [0x47, 0x48, 0x49, 0x4a], undefined],
    ["IN EAX, the last port forbidden", "ed", [0x47, 0x48, 0x49], V.GP],
    ["OUT EAX, the first port forbidden", "ef", [0x48, 0x49, 0x4a], V.GP],
  ] as const)("%s at port 47h", (_name, hex, allowed, want) => {
    expect(port(machine(0x200, 0x3ff, allowed), 0x47, hex)).toBe(want);
  });
  it("two bytes are always read: the last byte of the map must be followed by one inside the limit", () => {
    // Ports up to 7f in bytes 200 to 20f.
    for (const [limit, want] of [
      [0x210, undefined],
      [0x20f, V.GP],
    ] as const)
      expect(port(machine(0x200, limit, [0x7f]), 0x7f, "ec")).toBe(want);
  });
  it("the last port, FFFF, and a word that begins there", () => {
    const allowed = [0xffff];
    const whole = (): Bench => {
      const b = new Bench("protected");
      b.setDescriptor(S.TSS, 0x0002_8910_0000_2100n);
      b.write(0x100000, 4, 0);
      for (let i = 0; i < 0x2100; i++) b.write(0x100000 + i, 1, 0xff);
      b.write(0x100004, 8, (BigInt(S.DATA0) << 32n) | BigInt(AT.STACK0));
      b.write(0x100066, 2, 0x68);
      b.write(0x100068 + 0x1fff, 1, 0x7f);
      b.setDescriptor(S.TSS, 0x0000_8910_0000_2100n);
      b.cpu.setGpr(GPR.RAX, BigInt(S.TSS));
      expect(b.exec(0x0f, 0x00, 0xd8)).toBeUndefined();
      b.atCpl(3, "protected");
      return b;
    };
    expect(port(whole(), allowed[0]!, "ec")).toBeUndefined();
    expect(port(whole(), allowed[0]!, "66ed")).toBe(V.GP);
    expect(port(whole(), 0xfffe, "ec")).toBe(V.GP);
  });
  it("a map that starts at or after the limit permits nothing; IOPL 3 asks no map", () => {
    const b = machine(0x300, 0x2ff, [0x47]);
    expect(port(b, 0x47, "ec")).toBe(V.GP);
    const c = machine(0x300, 0x2ff, []);
    c.setFlags(EFLAGS.IOPL);
    expect(port(c, 0x47, "ec")).toBeUndefined();
  });
});
