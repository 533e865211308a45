/** ADX, direct stores, cache control, and what has no effect but its checks. */
import { describe, expect, it } from "vitest";
import { CR4 } from "../../../src/emu/cpu/layout.ts";
import { AMD, CODE, INTEL, TestMachine } from "./kit.ts";
import { AT, Bench, EFLAGS, GPR, OFF, SEG, V } from "./system/kit.ts";

describe("ADCX and ADOX", () => {
  const run = (hex: string, a: bigint, b: bigint, flags: number) => {
    const m = new TestMachine({ bits: 64, model: INTEL });
    m.set("RAX", a).set("RCX", b).load(hex);
    m.cpu.setFlagsRaw(flags);
    m.run(1);
    return { sum: m.get("RAX"), flags: m.cpu.getFlags() & ~EFLAGS.FIXED };
  };
  const ALL = EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF;
  const MAX = (1n << 64n) - 1n;
  it.each([
    ["ADCX", "66480f38f6c1", EFLAGS.CF],
    ["ADOX", "f3480f38f6c1", EFLAGS.OF],
  ] as const)("%s: 64 bits, a carry of its own, no other flag", (_name, hex, flag) => {
    for (const [a, b] of [
      [1n, 2n],
      [MAX, 0n],
      [MAX, MAX],
      [0xffff_ffffn, 1n],
      [1n << 63n, 1n << 63n],
    ] as const) {
      for (const flags of [0, flag, ALL, ALL & ~flag]) {
        const exact = a + b + (flags & flag ? 1n : 0n);
        expect(run(hex, a, b, flags)).toEqual({
          sum: BigInt.asUintN(64, exact),
          flags: (flags & ~flag) | (exact > MAX ? flag : 0),
        });
      }
    }
  });
  it("32 bits clear the upper half", () => {
    expect(run("660f38f6c1", 0xdead_ffff_ffffn, 1n, 0)).toEqual({ sum: 0n, flags: EFLAGS.CF });
    expect(run("f30f38f6c1", 0xdead_0000_0001n, 1n, EFLAGS.OF | EFLAGS.CF)).toEqual({ sum: 3n, flags: EFLAGS.CF });
  });
});

describe("MOVDIR64B and MOVDIRI", () => {
  const FROM = 0x100003;
  const TO = 0x100400;
  const machine = (to = TO): Bench => {
    const b = new Bench("long");
    for (let i = 0; i < 64; i++) b.write(FROM + i, 1, i + 1);
    b.cpu.setGpr(GPR.RAX, BigInt(to));
    b.cpu.setGpr(GPR.RDI, BigInt(FROM));
    return b;
  };
  const MOVE = [0x66, 0x0f, 0x38, 0xf8, 0x07];
  it("copies 64 bytes from anywhere to a boundary of 64", () => {
    const b = machine();
    expect(b.exec(...MOVE)).toBeUndefined();
    expect(Array.from({ length: 66 }, (_, i) => b.read(TO - 1 + i, 1))).toEqual([
      0,
      ...Array.from({ length: 64 }, (_, i) => i + 1),
      0,
    ]);
  });
  it("#GP(0) off the boundary; a missing page of either leaves everything", () => {
    machine(TO + 32).expectFault(V.GP, 0, /64-byte boundary/, ...MOVE);
    for (const page of [FROM, TO + 0x1000]) {
      const b = machine(TO + 0x1000);
      b.mapPage(page, 0);
      expect(b.exec(...MOVE)?.vector).toBe(V.PF);
      expect(b.read(TO + 0x1000, 1)).toBe(0);
    }
  });
  it("writes through ES, whatever the prefix", () => {
    const b = new Bench("protected");
    b.write(AT.GDT + 0xf0, 4, 0x0000_0fff);
    b.write(AT.GDT + 0xf4, 4, 0x0040_9210);
    b.load(SEG.ES, 0xf0);
    b.cpu.updateMode();
    b.write(0x6000, 4, 0x1234);
    b.cpu.setGpr(GPR.RDI, 0x6000n);
    b.cpu.setGpr(GPR.RAX, 0x40n);
    expect(b.exec(0x3e, ...MOVE)).toBeUndefined();
    expect(b.read(0x100040, 4)).toBe(0x1234);
    b.cpu.setGpr(GPR.RAX, 0xfc0n);
    expect(b.exec(...MOVE)).toBeUndefined();
    b.cpu.setGpr(GPR.RAX, 0x1000n);
    expect(b.exec(...MOVE)).toMatchObject({ vector: V.GP, errorCode: 0 });
  });
  it("MOVDIRI stores a register", () => {
    const b = machine();
    b.cpu.setGpr(GPR.RAX, 0x1122_3344_5566_7788n);
    expect(b.exec(0x48, 0x0f, 0x38, 0xf9, 0x07)).toBeUndefined();
    expect(b.read64(FROM)).toBe(0x1122_3344_5566_7788n);
  });
});

describe("caches", () => {
  it("CLFLUSH, CLFLUSHOPT and CLWB are checked as loads of a byte", () => {
    for (const code of [
      [0x0f, 0xae, 0x3f],
      [0x66, 0x0f, 0xae, 0x3f],
      [0x66, 0x0f, 0xae, 0x37],
    ]) {
      const b = new Bench("long");
      b.cpu.setGpr(GPR.RDI, 0x100000n);
      expect(b.exec(...code)).toBeUndefined();
      b.mapPage(0x100000, 0);
      expect(b.exec(...code)).toMatchObject({ vector: V.PF, errorCode: 0 });
    }
  });
  it("WBINVD, WBNOINVD and INVD are for CPL 0", () => {
    for (const code of [
      [0x0f, 0x09],
      [0xf3, 0x0f, 0x09],
      [0x0f, 0x08],
    ]) {
      const b = new Bench("long");
      expect(b.exec(...code)).toBeUndefined();
      b.atCpl(3, "long");
      b.expectFault(V.GP, 0, /at CPL 3/, ...code);
    }
  });
  it("hints for what is absent are NOPs: RDSSP, ENDBR, CLDEMOTE, PREFETCHIT0", () => {
    for (const hex of ["f3480f1ec8", "f30f1efa", "0f1c07", "0f183d00000000"]) {
      const m = new TestMachine({ bits: 64, model: INTEL });
      m.set("RAX", 0x1234).set("RDI", 0x7fff_0000_0000n).load(hex).run(1);
      expect([Number(m.cpu.rip) - CODE, m.get("RAX")]).toEqual([hex.length / 2, 0x1234n]);
    }
  });
});

describe("AMD's own", () => {
  it("CLZERO: the whole line, wherever RAX points in it", () => {
    const b = new Bench("long", "amd");
    b.atCpl(3, "long");
    for (let i = 0; i < 192; i++) b.write(0x100000 + i, 1, 0xee);
    b.cpu.setGpr(GPR.RAX, 0x10005bn);
    expect(b.exec(0x0f, 0x01, 0xfc)).toBeUndefined();
    expect([0x3f, 0x40, 0x7f, 0x80].map((i) => b.read(0x100000 + i, 1))).toEqual([0xee, 0, 0, 0xee]);
    b.mapPage(0x100000, 5);
    expect(b.exec(0x0f, 0x01, 0xfc)).toMatchObject({ vector: V.PF, errorCode: 7 });
  });
  it("RDPRU: MPERF and APERF, 0 for others; CR4.TSD makes it #UD above CPL 0", () => {
    const b = new Bench("long", "amd");
    b.atCpl(3, "long");
    const read = (which: number) => {
      b.cpu.setGpr(GPR.RCX, BigInt(which));
      b.cpu.setGpr(GPR.RAX, 0xdeadn);
      expect(b.exec(0x0f, 0x01, 0xfd)).toBeUndefined();
      return [b.cpu.gprLow(GPR.RAX) !== 0xdead, (b.flags & EFLAGS.CF) !== 0];
    };
    expect([read(0), read(1), read(2)]).toEqual([
      [true, true],
      [true, true],
      [true, false],
    ]);
    expect(b.cpu.gpr(GPR.RAX)).toBe(0n);
    b.cpu.set32(OFF.CR4, b.cpu.get32(OFF.CR4) | CR4.TSD);
    b.expectFault(V.UD, 0, /TSD/, 0x0f, 0x01, 0xfd);
  });
  describe("SSE4A", () => {
    const VALUE = 0x8765_4321_0fed_cba9n;
    const run = (hex: string, d: bigint, s: readonly [bigint, bigint] = [0n, 0n]) => {
      const m = new TestMachine({ bits: 64, model: AMD });
      m.cpu.set32(OFF.CR4, m.cpu.get32(OFF.CR4) | CR4.OSFXSR);
      m.cpu.set64(OFF.YMM + 32, d);
      m.cpu.set64(OFF.YMM + 64, s[0]);
      m.cpu.set64(OFF.YMM + 72, s[1]);
      m.set("RDI", 0x40000).load(hex).run(1);
      expect(Number(m.cpu.rip) - CODE).toBe(hex.length / 2);
      return { low: m.cpu.get64(OFF.YMM + 32), memory: m.read(0x40000, 4) >>> 0, next: m.read(0x40004, 4) >>> 0 };
    };
    it("EXTRQ: length and index by immediates or by a register", () => {
      // 12 bits at 8.
      expect(run("660f78c10c08", VALUE).low).toBe(0xdcbn);
      expect(run("660f79ca", VALUE, [0x080cn, 0n]).low).toBe(0xdcbn);
      expect(run("660f78c10000", VALUE).low).toBe(VALUE);
      expect(run("660f78c1013f", VALUE).low).toBe(1n);
    });
    it("INSERTQ", () => {
      expect(run("f20f78ca0c08", VALUE, [0xffff_f123n, 0n]).low).toBe(0x8765_4321_0fe1_23a9n);
      expect(run("f20f79ca", VALUE, [0xffff_f123n, 0x080cn]).low).toBe(0x8765_4321_0fe1_23a9n);
      expect(run("f20f78ca0000", VALUE, [5n, 0n]).low).toBe(5n);
    });
    it("MOVNTSS and MOVNTSD", () => {
      expect(run("f30f2b0f", VALUE)).toMatchObject({ memory: 0x0fed_cba9, next: 0 });
      expect(run("f20f2b0f", VALUE)).toMatchObject({ memory: 0x0fed_cba9, next: 0x8765_4321 });
    });
  });
});
