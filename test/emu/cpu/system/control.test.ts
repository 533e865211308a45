/** Control and debug registers, descriptor-table registers, MSRs, CPUID and the processor's single instructions. */
import { describe, expect, it } from "vitest";
import { CR0, CR4, EFER } from "../../../../src/emu/cpu/layout.ts";
import { FEATURES } from "../../../../src/emu/cpu/system/cpuid-data.ts";
import { MSRS } from "../../../../src/emu/cpu/system/msr.ts";
import { AT, Bench, EFLAGS, GPR, type Mode, OFF, S, SEG, V, VENDORS, type Vendor } from "./kit.ts";

const user = (mode: Mode = "protected") => {
  const b = new Bench(mode);
  b.atCpl(3, mode);
  return b;
};
const rax = (b: Bench, value: number | bigint) => b.cpu.setGpr(GPR.RAX, BigInt(value));
const MOV_CR = (n: number) => [0x0f, 0x22, 0xc0 | (n << 3)];
const FROM_CR = (n: number) => [0x0f, 0x20, 0xc0 | (n << 3)];
const MOV_DR = (n: number) => [0x0f, 0x23, 0xc0 | (n << 3)];
const FROM_DR = (n: number) => [0x0f, 0x21, 0xc0 | (n << 3)];

describe("MOV CR", () => {
  it("reads and writes CR2, CR3, CR4", () => {
    const b = new Bench("long");
    rax(b, 0x1234_5678_9abcn);
    expect(b.exec(...MOV_CR(2))).toBeUndefined();
    rax(b, 0);
    b.exec(...FROM_CR(2));
    expect(b.cpu.gpr(GPR.RAX)).toBe(0x1234_5678_9abcn);
  });
  it("protected mode on and off", () => {
    const b = new Bench("real");
    rax(b, CR0.PE);
    expect(b.exec(...MOV_CR(0))).toBeUndefined();
    expect(b.cpu.get32(OFF.CR0)).toBe(CR0.PE | CR0.ET);
  });
  it("the way into long mode: EFER.LME, CR4.PAE, CR0.PG; and out again", () => {
    const b = new Bench("protected");
    b.cpu.set32(OFF.EFER, EFER.LME);
    rax(b, CR0.PE | CR0.PG);
    b.expectFault(V.GP, 0, /CR4.PAE clear/, ...MOV_CR(0));
    b.cpu.set32(OFF.CR4, CR4.PAE);
    expect(b.exec(...MOV_CR(0))).toBeUndefined();
    expect(b.cpu.get32(OFF.EFER) & EFER.LMA).toBe(EFER.LMA);
    rax(b, CR0.PE);
    b.exec(...MOV_CR(0));
    expect(b.cpu.get32(OFF.EFER) & EFER.LMA).toBe(0);
  });
  it.each([
    ["PG without PE", "protected", 0, CR0.PG, /PG without CR0.PE/],
    ["NW without CD", "protected", 0, CR0.PE | CR0.NW, /NW without CR0.CD/],
    ["PG cleared in 64-bit mode", "long", 0, CR0.PE, /PG cleared in 64-bit mode/],
    ["CR0 above bit 31", "long", 0, 1n << 32n, /above 31/],
    ["reserved bit of CR4", "protected", 4, 1 << 12, /does not have/],
    ["PAE cleared in long mode", "long", 4, 0, /PAE cleared/],
    ["reserved bit of CR3", "long", 3, 1n << 62n, /reserved bit/],
    ["CR8 above 15", "long", 8, 16, /above 3/],
  ] as const)("%s", (_name, mode, cr, value, why) => {
    const b = new Bench(mode);
    rax(b, value as bigint);
    b.expectFault(V.GP, 0, why, ...(cr === 8 ? [0x44, 0x0f, 0x22, 0xc0] : MOV_CR(cr)));
  });
  it("CR1 and CR5 do not exist; CPL 3 may not", () => {
    new Bench("protected").expectFault(V.UD, 0, /./, ...FROM_CR(1));
    user().expectFault(V.GP, 0, /MOV with CR0 at CPL 3/, ...FROM_CR(0));
    new Bench("v86").expectFault(V.GP, 0, /MOV with CR0 at CPL 3/, ...FROM_CR(0));
  });
});

describe("vendors", () => {
  it("LOCK MOV CR0 is CR8 on AMD and #UD on Intel", () => {
    const b = new Bench("protected", "amd");
    rax(b, 5);
    expect(b.exec(0xf0, ...MOV_CR(0))).toBeUndefined();
    expect(b.cpu.get32(OFF.CR8)).toBe(5);
    expect(new Bench("protected").exec(0xf0, ...MOV_CR(0))?.vector).toBe(V.UD);
  });
  it("SERIALIZE is Intel's", () => {
    expect(new Bench("long").exec(0x0f, 0x01, 0xe8)).toBeUndefined();
    new Bench("long", "amd").expectFault(V.UD, 0, /leaf 0x7 EDX bit 14 is clear/, 0x0f, 0x01, 0xe8);
  });
  it("IA32_MISC_ENABLE is Intel's", () => {
    const b = new Bench("long", "amd");
    b.cpu.setGpr(GPR.RCX, 0x1a0n);
    b.expectFault(V.GP, 0, /no MSR 0x1a0/, 0x0f, 0x32);
  });
});

describe("MOV DR", () => {
  it("fixed bits of DR6 and DR7", () => {
    const b = new Bench("protected");
    rax(b, 0);
    b.exec(...MOV_DR(6));
    rax(b, 0xffffdfff);
    b.exec(...MOV_DR(7));
    b.exec(...FROM_DR(6));
    expect(b.cpu.gprLow(GPR.RAX) >>> 0).toBe(0xffff0ff0);
    b.exec(...FROM_DR(7));
    expect(b.cpu.gprLow(GPR.RAX) >>> 0).toBe(0xffff07ff);
  });
  it("DR4 and DR5 are DR6 and DR7 unless CR4.DE", () => {
    const b = new Bench("protected");
    rax(b, 0x401);
    b.exec(...MOV_DR(5));
    expect(b.cpu.get32(OFF.DR + 56)).toBe(0x401);
    b.cpu.set32(OFF.CR4, CR4.DE);
    b.expectFault(V.UD, 0, /CR4.DE/, ...MOV_DR(5));
  });
  it("DR7.GD guards them: #DB with DR6.BD to come", () => {
    const b = new Bench("protected");
    b.cpu.set32(OFF.DR + 56, 0x2400);
    expect(b.exec(...FROM_DR(0))).toMatchObject({ vector: V.DB, addressLow: 1 << 13 });
    user().expectFault(V.GP, 0, /CPL 3/, ...FROM_DR(0));
  });
  it("upper half of DR7 is reserved", () => {
    const b = new Bench("long");
    rax(b, 1n << 32n);
    b.expectFault(V.GP, 0, /above 31/, ...MOV_DR(7));
  });
});

describe("machine status word", () => {
  it("LMSW sets PE and cannot clear it; CLTS", () => {
    const b = new Bench("protected");
    rax(b, CR0.TS | CR0.MP);
    expect(b.exec(0x0f, 0x01, 0xf0)).toBeUndefined();
    expect(b.cpu.get32(OFF.CR0)).toBe(CR0.PE | CR0.TS | CR0.MP | CR0.ET);
    b.exec(0x0f, 0x06);
    expect(b.cpu.get32(OFF.CR0) & CR0.TS).toBe(0);
    user().expectFault(V.GP, 0, /CLTS at CPL 3/, 0x0f, 0x06);
  });
  it.each([
    ["SMSW", [0x0f, 0x01, 0xe0]],
    ["SLDT", [0x0f, 0x00, 0xc0]],
    ["STR", [0x0f, 0x00, 0xc8]],
    ["SGDT", [0x0f, 0x01, 0x00]],
    ["SIDT", [0x0f, 0x01, 0x08]],
  ] as const)("%s is open to all, but not under UMIP", (name, bytes) => {
    const b = user();
    rax(b, 0x5000);
    expect(b.exec(...bytes)).toBeUndefined();
    b.cpu.set32(OFF.CR4, CR4.UMIP);
    rax(b, 0x5000);
    b.expectFault(V.GP, 0, new RegExp(`${name} at CPL 3 with CR4.UMIP`), ...bytes);
  });
});

describe("LGDT, LIDT, SGDT, SIDT", () => {
  const operand = (b: Bench, limit: number, base: bigint) => {
    rax(b, 0x5000);
    b.write(0x5000, 2, limit);
    b.write(0x5002, 8, base);
  };
  it("24 bits of base with a 16-bit operand size, 32 and 64 otherwise", () => {
    const b = new Bench("protected");
    operand(b, 0x123, 0x12345678n);
    b.exec(0x66, 0x0f, 0x01, 0x10);
    expect([b.cpu.getAddr(OFF.GDTR_BASE), b.cpu.get32(OFF.GDTR_LIMIT)]).toEqual([0x345678, 0x123]);
    b.exec(0x0f, 0x01, 0x18);
    expect(b.cpu.getAddr(OFF.IDTR_BASE)).toBe(0x12345678);
    b.exec(0x0f, 0x01, 0x40, 0x20);
    expect([b.read(0x5020, 2), b.read(0x5022, 4)]).toEqual([0x123, 0x345678]);
    const c = new Bench("long");
    operand(c, 0x123, 0xffff_8000_0000_0000n);
    c.exec(0x0f, 0x01, 0x10);
    expect(c.cpu.get64(OFF.GDTR_BASE)).toBe(0xffff_8000_0000_0000n);
  });
  it("a base that is not canonical, and CPL 3", () => {
    const b = new Bench("long");
    operand(b, 0, 1n << 50n);
    b.expectFault(V.GP, 0, /LIDT with a base that is not canonical/, 0x0f, 0x01, 0x18);
    const u = user();
    operand(u, 0, 0n);
    u.expectFault(V.GP, 0, /LGDT at CPL 3/, 0x0f, 0x01, 0x10);
  });
});

describe("MSRs", () => {
  const RDMSR = [0x0f, 0x32];
  const WRMSR = [0x0f, 0x30];
  const msr = (b: Bench, number: number, low: number, high: number) => {
    b.cpu.setGpr(GPR.RCX, BigInt(number));
    b.cpu.setGpr(GPR.RAX, BigInt(low >>> 0));
    b.cpu.setGpr(GPR.RDX, BigInt(high >>> 0));
  };
  // IA32_XSS has no bit that can be set, EFER, PAT and the time stamp have rules of their own.
  it.each([...MSRS].filter(([n]) => ![0xda0, 0xc0000080, 0x277, 0x10].includes(n)))(
    "%i keeps what is written",
    (number, def) => {
      const b = new Bench("long", def.vendor ?? "intel");
      msr(b, number, 1, 0);
      expect(b.exec(...WRMSR)).toBeUndefined();
      msr(b, number, 0, 0);
      expect(b.exec(...RDMSR)).toBeUndefined();
      expect(b.cpu.gpr(GPR.RAX)).toBe(1n);
    },
  );
  it("FS_BASE and GS_BASE are the hidden bases; SWAPGS exchanges", () => {
    const b = new Bench("long");
    msr(b, 0xc0000101, 0x1000, -0x8000);
    b.exec(...WRMSR);
    expect(b.cpu.segBase(SEG.GS)).toBe(-0x8000 * 2 ** 32 + 0x1000);
    b.cpu.set64(OFF.KERNEL_GS_BASE, 0x7000n);
    expect(b.exec(0x0f, 0x01, 0xf8)).toBeUndefined();
    expect([b.cpu.segBase(SEG.GS), b.cpu.get64(OFF.KERNEL_GS_BASE)]).toEqual([0x7000, 0xffff_8000_0000_1000n]);
    user("long").expectFault(V.GP, 0, /SWAPGS at CPL 3/, 0x0f, 0x01, 0xf8);
  });
  it.each([
    [0xc0000082, 0, 0x8000, /LSTAR: the address is not canonical/],
    [0xc0000100, 0, 0x8000, /FS_BASE: the address is not canonical/],
    [0xc0000084, 0, 1, /SFMASK: bits 63:32/],
    [0xc0000080, 1 << 12, 0, /EFER sets reserved bits/],
    [0xc0000080, 0, 0, /changes LME while paging is on/],
    [0x277, 0x02, 0, /no memory type/],
    [0x12345, 0, 0, /no MSR 0x12345/],
  ] as const)("WRMSR %i refuses", (number, low, high, why) => {
    const b = new Bench("long");
    msr(b, number, low, high);
    b.expectFault(V.GP, 0, why, ...WRMSR);
  });
  it("EFER.LMA is not writable", () => {
    const b = new Bench("long");
    msr(b, 0xc0000080, EFER.LME | EFER.NXE, 0);
    expect(b.exec(...WRMSR)).toBeUndefined();
    expect(b.cpu.get32(OFF.EFER)).toBe(EFER.LME | EFER.LMA | EFER.NXE);
  });
  it("CPL 0 only", () => {
    const b = user();
    msr(b, 0x174, 0, 0);
    b.expectFault(V.GP, 0, /RDMSR at CPL 3/, ...RDMSR);
  });
  it("the time-stamp counter counts instructions from what was written", () => {
    const b = new Bench("long");
    msr(b, 0x10, 1000, 0);
    b.exec(...WRMSR);
    b.exec(0x0f, 0x31);
    expect(b.cpu.gpr(GPR.RAX)).toBe(1000n);
    b.cpu.set64(OFF.TSC_AUX, 7n);
    b.exec(0x0f, 0x01, 0xf9);
    expect(b.cpu.gpr(GPR.RCX)).toBe(7n);
  });
});

describe("CPUID", () => {
  const leaf = (mode: Mode, vendor: Vendor, eax: number, ecx = 0) => {
    const b = new Bench(mode, vendor);
    rax(b, eax >>> 0);
    b.cpu.setGpr(GPR.RCX, BigInt(ecx));
    expect(b.exec(0x0f, 0xa2)).toBeUndefined();
    const reg = (n: number) => b.cpu.gprLow(n) >>> 0;
    return { eax: reg(GPR.RAX), ebx: reg(GPR.RBX), ecx: reg(GPR.RCX), edx: reg(GPR.RDX) };
  };
  const ascii = (...words: number[]) => Buffer.from(new Uint32Array(words).buffer).toString("latin1");
  it("vendor and brand", () => {
    const { ebx, ecx, edx } = leaf("long", "amd", 0);
    expect(ascii(ebx, edx, ecx)).toBe("AuthenticAMD");
    expect(leaf("long", "amd", 0x80000000).ebx).toBe(ebx);
    expect(leaf("long", "intel", 0x80000000).ebx).toBe(0);
    const brand = [2, 3, 4].map((n) => leaf("long", "intel", 0x80000000 + n));
    expect(ascii(...brand.flatMap((l) => [l.eax, l.ebx, l.ecx, l.edx]))).toMatch(/^Ringside virtual processor, Intel/);
  });
  it("every feature of the table is in its bit", () => {
    for (const vendor of VENDORS) {
      for (const f of FEATURES.filter((f) => (f.vendor ?? vendor) === vendor)) {
        expect((leaf("long", vendor, f.leaf, f.subleaf)[f.register] >>> f.bit) & 1, `${f.name} on ${vendor}`).toBe(1);
      }
    }
  });
  it("Intel reports SYSCALL in 64-bit mode only", () => {
    const bit = (mode: Mode, vendor: Vendor) => (leaf(mode, vendor, 0x80000001).edx >> 11) & 1;
    expect([bit("long", "intel"), bit("compat", "intel"), bit("protected", "intel"), bit("compat", "amd")]).toEqual([
      1, 0, 0, 1,
    ]);
  });
  it("beyond the last leaf: Intel repeats the last basic one, AMD gives zeros", () => {
    expect(leaf("long", "intel", 0x20)).toEqual(leaf("long", "intel", 0xd));
    expect(leaf("long", "amd", 0x20)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });
});

describe("single instructions", () => {
  it.each([
    ["HLT", [0xf4]],
    ["WBINVD", [0x0f, 0x09]],
    ["INVD", [0x0f, 0x08]],
    ["INVLPG", [0x0f, 0x01, 0x38]],
  ] as const)("%s needs CPL 0", (name, bytes) => {
    expect(new Bench("protected").exec(...bytes)).toBeUndefined();
    user().expectFault(V.GP, 0, new RegExp(`${name} at CPL 3`), ...bytes);
  });
  it("RDTSC under CR4.TSD, RDPMC", () => {
    const b = user();
    b.cpu.set32(OFF.CR4, CR4.TSD);
    b.expectFault(V.GP, 0, /RDTSC at CPL 3 with CR4.TSD/, 0x0f, 0x31);
    b.expectFault(V.GP, 0, /RDPMC at CPL 3 with CR4.PCE clear/, 0x0f, 0x33);
    new Bench("protected").expectFault(V.GP, 0, /counter 0 does not exist/, 0x0f, 0x33);
  });
  it("RDFSBASE and WRGSBASE need CR4.FSGSBASE and canonical values", () => {
    const b = user("long");
    b.expectFault(V.UD, 0, /FSGSBASE clear/, 0xf3, 0x48, 0x0f, 0xae, 0xc0);
    b.cpu.set32(OFF.CR4, CR4.PAE | CR4.FSGSBASE);
    rax(b, 0x7f00_1234_5000n);
    expect(b.exec(0xf3, 0x48, 0x0f, 0xae, 0xd8)).toBeUndefined();
    expect(b.cpu.segBase(SEG.GS)).toBe(0x7f00_1234_5000);
    rax(b, 1n << 60n);
    b.expectFault(V.GP, 0, /WRGSBASE with an address that is not canonical/, 0xf3, 0x48, 0x0f, 0xae, 0xd8);
  });
  it("STAC and CLAC: #UD above CPL 0", () => {
    const b = new Bench("long");
    b.exec(0x0f, 0x01, 0xcb);
    expect(b.flags & EFLAGS.AC).toBe(EFLAGS.AC);
    b.exec(0x0f, 0x01, 0xca);
    expect(b.flags & EFLAGS.AC).toBe(0);
    user("long").expectFault(V.UD, 0, /STAC at CPL 3/, 0x0f, 0x01, 0xcb);
  });
  it("RDRAND: the seeded source, CF and nothing else", () => {
    const b = new Bench("long");
    b.setFlags(EFLAGS.ZF | EFLAGS.IF);
    b.exec(0x48, 0x0f, 0xc7, 0xf0);
    expect([b.cpu.gpr(GPR.RAX), b.flags]).toEqual([0x12345678_12345678n, EFLAGS.CF | EFLAGS.IF | EFLAGS.FIXED]);
  });
  it("XGETBV needs CR4.OSXSAVE; the memory protection keys are not reported: #UD", () => {
    new Bench("long").expectFault(V.UD, 0, /OSXSAVE/, 0x0f, 0x01, 0xd0);
    new Bench("long").expectFault(V.UD, 0, /RDPKRU/, 0x0f, 0x01, 0xee);
  });
  it("INVPCID", () => {
    const b = new Bench("long");
    b.cpu.setGpr(GPR.RBX, 0x5000n);
    rax(b, 4);
    b.expectFault(V.GP, 0, /type 4/, 0x66, 0x0f, 0x38, 0x82, 0x03);
    rax(b, 2);
    expect(b.exec(0x66, 0x0f, 0x38, 0x82, 0x03)).toBeUndefined();
    b.write(0x5000, 2, 1);
    rax(b, 0);
    b.expectFault(V.GP, 0, /PCIDE is clear/, 0x66, 0x0f, 0x38, 0x82, 0x03);
  });
});

describe("LAR, LSL, VERR, VERW, ARPL", () => {
  const ask = (b: Bench, selector: number, ...bytes: number[]) => {
    b.cpu.setGpr(GPR.RCX, BigInt(selector));
    rax(b, 0xaaaaaaaa);
    expect(b.exec(...bytes)).toBeUndefined();
    return [(b.flags & EFLAGS.ZF) !== 0, b.cpu.gprLow(GPR.RAX) >>> 0];
  };
  const LAR = [0x0f, 0x02, 0xc1];
  const LSL = [0x0f, 0x03, 0xc1];
  it("give rights and limit when visible", () => {
    const b = user();
    expect(ask(b, S.DATA3 | 3, ...LAR)).toEqual([true, 0x00cff300]);
    expect(ask(b, S.DATA3 | 3, ...LSL)).toEqual([true, 0xffffffff]);
    expect(ask(b, S.DATA0 | 3, ...LAR)).toEqual([false, 0xaaaaaaaa]);
    expect(ask(b, S.CONFORMING | 3, ...LSL)).toEqual([true, 0xffffffff]);
    expect(ask(b, 0, ...LAR)).toEqual([false, 0xaaaaaaaa]);
    expect(ask(b, 0x1000, ...LSL)).toEqual([false, 0xaaaaaaaa]);
    expect(ask(b, S.GATE | 3, ...LAR)).toEqual([true, 0x0006ec00]);
    expect(ask(b, S.GATE | 3, ...LSL)).toEqual([false, 0xaaaaaaaa]);
  });
  it("in long mode 16-bit TSSs and task gates have no rights to show", () => {
    const b = new Bench("long");
    b.changeAccess(S.TSS, 0x81);
    expect(ask(b, S.TSS, ...LAR)).toEqual([false, 0xaaaaaaaa]);
    expect(ask(new Bench("protected"), S.TSS16, ...LAR)).toEqual([true, 0x00008100]);
  });
  it("VERR and VERW", () => {
    const b = user();
    const zf = (selector: number, ...bytes: number[]) => ask(b, selector, ...bytes)[0];
    const VERR = [0x0f, 0x00, 0xe1];
    const VERW = [0x0f, 0x00, 0xe9];
    expect([zf(S.READ_ONLY3 | 3, ...VERR), zf(S.READ_ONLY3 | 3, ...VERW)]).toEqual([true, false]);
    expect([zf(S.EXEC_ONLY3 | 3, ...VERR), zf(S.DATA3 | 3, ...VERW), zf(S.TSS, ...VERR)]).toEqual([false, true, false]);
  });
  it("ARPL", () => {
    const b = user();
    rax(b, S.DATA0);
    b.cpu.setGpr(GPR.RCX, 3n);
    b.exec(0x63, 0xc8);
    expect([b.cpu.gprLow(GPR.RAX), b.flags & EFLAGS.ZF]).toEqual([S.DATA0 | 3, EFLAGS.ZF]);
    b.exec(0x63, 0xc8);
    expect(b.flags & EFLAGS.ZF).toBe(0);
  });
  it("#UD in real and v8086 mode", () => {
    new Bench("v86").expectFault(V.UD, 0, /LAR in real or virtual-8086 mode/, ...LAR);
  });
});

describe("BOUND", () => {
  it("#BR outside the bounds, inclusive", () => {
    const b = new Bench("protected");
    b.cpu.setGpr(GPR.RBX, BigInt(AT.RAM - 0x1000));
    b.write(AT.RAM - 0x1000, 4, -5);
    b.write(AT.RAM - 0xffc, 4, 5);
    rax(b, 5);
    expect(b.exec(0x62, 0x03)).toBeUndefined();
    rax(b, 6);
    b.expectFault(V.BR, 0, /index 6 is above 5/, 0x62, 0x03);
  });
});
