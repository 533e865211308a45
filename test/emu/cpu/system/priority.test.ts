/**
 * Which fault, when several are due, and what #AC covers: user code in 64-bit mode. Every line is what an Intel Xeon under Linux gave
 * (the signal, trap number and registers), the vendor being Intel's; AMD's manual asks for nothing else but where docs/vendors.md says so.
 */
import { describe, expect, it } from "vitest";
import { CR0, CR4 } from "../../../../src/emu/cpu/layout.ts";
import { fromHex } from "../kit.ts";
import { AT, Bench, EFLAGS, GPR, handler, OFF } from "./kit.ts";

const DATA = 0x100000;
const MISSING = DATA + 0x1000;
const READ_ONLY = DATA + 0x2000;
const NONCANONICAL = 0x8000_0000_0000_0000n;

const [UD, GP, PF, AC, NONE] = [6, 13, 14, 17, undefined];

function machine(): Bench {
  const b = new Bench("long");
  const { cpu } = b;
  cpu.set32(OFF.CR0, cpu.get32(OFF.CR0) | CR0.AM);
  cpu.set32(OFF.CR4, cpu.get32(OFF.CR4) | CR4.OSFXSR | CR4.OSXSAVE | CR4.DE | CR4.UMIP);
  cpu.set64(OFF.XCR0, 7n);
  cpu.set32(OFF.FTW, 0xffff);
  cpu.set32(OFF.FCW, 0x37f);
  cpu.set32(OFF.MXCSR, 0x1f80);
  b.mapPage(MISSING, 0);
  b.mapPage(READ_ONLY, 5);
  b.mapPage(AT.CODE + 0x1000, 0);
  b.atCpl(3, "long");
  return b;
}

interface Setting {
  readonly rdi?: number | bigint;
  readonly rsi?: number | bigint;
  readonly rax?: number | bigint;
  readonly rcx?: number;
  readonly ac?: boolean;
  readonly at?: number;
}
/** Runs one instruction; the vector of its fault. */
function vectorOf(b: Bench, code: string, { rdi = 0, rsi = 0, rax = 0, rcx = 0, ac = false, at = AT.CODE }: Setting) {
  const { cpu } = b;
  fromHex(code).forEach((byte, i) => void b.write(at + i, 1, byte));
  for (const [reg, value] of [
    [GPR.RDI, rdi],
    [GPR.RSI, rsi],
    [GPR.RAX, rax],
    [GPR.RCX, rcx],
  ] as const)
    cpu.setGpr(reg, BigInt(value));
  cpu.setRip(at, 0);
  b.setFlags(EFLAGS.FIXED | (ac ? EFLAGS.AC : 0));
  cpu.run(1);
  const vector = (b.rip - handler(0)) / 16;
  return cpu.cpl === 0 ? vector : undefined;
}

describe("#AC: what is aligned to what", () => {
  it.each([
    ["MOV", "8b07", 1, AC],
    ["MOVUPS", "0f1007", 1, NONE],
    ["MOVUPS", "0f1007", 8, NONE],
    ["MOVUPD, a store", "660f1107", 1, NONE],
    ["MOVAPS", "0f2807", 8, GP],
    ["MOVAPS", "0f2807", 1, GP],
    ["PADDD", "660ffe07", 1, GP],
    ["MOVNTDQ", "660fe707", 8, GP],
    ["VMOVDQU ymm", "c5fe6f07", 1, NONE],
    ["VPADDD xmm", "c5f9fe07", 4, NONE],
    ["VMOVUPS", "c5f81007", 1, NONE],
    ["LDDQU", "f20ff007", 1, NONE],
    ["PCMPISTRI", "660f3a630700", 1, NONE],
    ["VBROADCASTSS", "c4e2791807", 1, AC],
    ["VBROADCASTF128", "c4e27d1a07", 1, NONE],
    ["VINSERTF128", "c4e37d180700", 1, NONE],
    ["MOVSS", "f30f1007", 2, AC],
    ["MOVQ mm", "0f6f07", 4, AC],
    ["MOVQ xmm", "f30f7e07", 1, AC],
    ["MOVHPS", "0f1607", 1, AC],
    ["MOVDDUP", "f20f1207", 1, AC],
    ["PMOVZXBD", "660f383107", 1, AC],
    ["CVTPS2PD", "0f5a07", 1, AC],
    ["PINSRW", "0fc40700", 1, AC],
    ["PUNPCKLBW mm", "0f6007", 1, AC],
    ["LDMXCSR", "0fae17", 1, AC],
    ["MOVBE", "0f38f007", 1, AC],
    ["MOVNTI", "0fc307", 1, AC],
    ["BT", "0fa307", 1, AC],
    ["CMPXCHG8B", "0fc70f", 4, AC],
    ["CMPXCHG16B", "480fc70f", 8, GP],
    ["LOCK XADD", "f00fc107", 1, AC],
    ["CALL m16:32", "ff1f", 1, AC],
    ["LSS m16:64", "480fb207", 1, AC],
    ["CLFLUSH", "0fae3f", 1, NONE],
    ["FLD m80", "db2f", 2, AC],
    ["FLD m80", "db2f", 4, AC],
    ["FLD m80", "db2f", 8, NONE],
    ["FSTP m80", "db3f", 4, AC],
    ["FSTP m80", "db3f", 8, NONE],
    ["FBLD", "df27", 4, AC],
    ["FBLD", "df27", 8, NONE],
    ["FNSTENV", "d937", 2, AC],
    ["FNSTENV", "d937", 4, NONE],
    ["FLDENV", "d927", 2, AC],
    ["FLDENV", "d927", 4, NONE],
    ["FNSAVE", "dd37", 2, AC],
    ["FNSAVE", "dd37", 4, NONE],
    ["FNSAVE, 16 bits", "66dd37", 1, AC],
    ["FNSAVE, 16 bits", "66dd37", 2, NONE],
    ["FXSAVE", "0fae07", 2, AC],
    ["FXSAVE", "0fae07", 4, GP],
    ["FXSAVE", "0fae07", 16, NONE],
    ["FXRSTOR", "0fae0f", 1, AC],
    ["FXRSTOR", "0fae0f", 8, GP],
    ["XSAVE", "0fae27", 2, AC],
    ["XSAVE", "0fae27", 32, GP],
    ["XRSTOR", "0fae2f", 1, AC],
    ["XRSTOR", "0fae2f", 4, GP],
    ["XSAVEC", "0fc727", 2, AC],
    ["XSAVEC", "0fc727", 16, GP],
  ] as const)("%s %s at %i", (_name, code, offset, want) => {
    expect(vectorOf(machine(), code, { rdi: DATA + offset, rax: 7, ac: true })).toBe(want);
  });
  it("without EFLAGS.AC, or at CPL 0, nothing is", () => {
    expect(vectorOf(machine(), "8b07", { rdi: DATA + 1 })).toBeUndefined();
    expect(vectorOf(machine(), "0fae07", { rdi: DATA + 2 })).toBe(GP);
    const b = machine();
    b.atCpl(0, "long");
    b.write(AT.CODE, 2, 0x078b);
    b.cpu.setGpr(GPR.RDI, BigInt(DATA + 1));
    b.setFlags(EFLAGS.FIXED | EFLAGS.AC);
    b.cpu.run(1);
    expect(b.rip).toBe(AT.CODE + 2);
  });
});

describe("#AC and other faults of one access", () => {
  it.each([
    ["a missing page", MISSING + 1, "8b07", AC],
    ["half in a missing page", MISSING - 2, "8b07", AC],
    ["a store to a read-only page", READ_ONLY + 1, "8907", AC],
    ["not canonical", NONCANONICAL + 1n, "8b07", GP],
    ["MOVAPS of a missing page", MISSING + 1, "0f2807", GP],
    ["CMPXCHG16B of a missing page", MISSING + 8, "480fc70f", GP],
  ] as const)("%s", (_name, rdi, code, want) => {
    expect(vectorOf(machine(), code, { rdi, ac: true })).toBe(want);
  });
});

describe("length, opcode and privilege", () => {
  const prefixes = (count: number) => "66".repeat(count);
  it.each([
    ["16 bytes", `${prefixes(15)}90`, GP],
    ["15 bytes", `${prefixes(14)}90`, NONE],
    ["UD2 of 16 bytes", `${prefixes(14)}0f0b`, GP],
    ["UD0 with its ModRM of 16 bytes", `${prefixes(13)}0fff07`, GP],
    ["UD0 with a displacement of 19 bytes", `${prefixes(12)}0fff8700000000`, GP],
    ["LOCK ADD of a register, 16 bytes", `f0${prefixes(13)}01c0`, GP],
    ["LOCK HLT of 15 bytes", `f0${prefixes(13)}f4`, UD],
    ["LOCK ADD of a register", "f001c0", UD],
    ["LOCK MOV to a missing page", "f08907", UD],
    ["LOCK HLT at CPL 3", "f0f4", UD],
    ["LOCK CMP", "f03907", UD],
    ["MOV to segment register 7", "8e3f", UD],
    ["FF /7", "ff3f", UD],
    ["0F 00 /6", "0f00f7", UD],
    ["MOV from CR1", "0f20c8", UD],
    ["MOV from CR0", "0f20c0", GP],
    ["LOCK MOV from CR0", "f00f20c0", UD],
    ["MOV from DR4 with CR4.DE", "0f21e0", GP],
    ["MONITOR", "0f01c8", UD],
    ["MWAIT", "0f01c9", UD],
    ["CLAC", "0f01ca", UD],
    ["XSETBV", "0f01d1", GP],
    ["RSM", "0faa", UD],
    ["SYSEXIT", "0f35", GP],
    ["SYSRET", "0f07", GP],
    ["INVPCID", "660f388207", GP],
    ["INVLPG", "0f013f", GP],
    ["LGDT", "0f0117", GP],
    ["LLDT", "0f0017", GP],
    ["XSAVES64", "480fc72f", GP],
    ["XRSTORS", "0fc71f", GP],
    ["RDPMC", "0f33", GP],
    ["OUT", "e680", GP],
    ["REP OUTSB that does nothing", "f36e", GP],
    ["REP MOVSB that does nothing", "f3a4", NONE],
  ] as const)("%s", (_name, code, want) => {
    expect(vectorOf(machine(), code, { rdi: MISSING, rsi: NONCANONICAL, rax: 7 })).toBe(want);
  });
});

describe("at the end of the last page of code", () => {
  it.each([
    ["0F alone", "0f", PF],
    ["UD0 without its ModRM", "0fff", PF],
    ["UD1 without its ModRM", "0fb9", PF],
    ["UD2", "0f0b", UD],
    ["an opcode that 64-bit mode lacks", "06", UD],
    ["a VEX prefix", "c4e1", PF],
    ["LOCK NOP", "f090", UD],
    ["LOCK MOV without its ModRM", "f08b", PF],
  ] as const)("%s", (_name, code, want) => {
    expect(vectorOf(machine(), code, { at: AT.CODE + 0x1000 - code.length / 2 })).toBe(want);
  });
});

describe("near transfers to an address that is not canonical fault at the transfer", () => {
  it.each([
    ["CALL", "ffd0"],
    ["JMP", "ffe0"],
    ["RET", "c3"],
    ["RET 16", "c21000"],
  ] as const)("%s", (_name, code) => {
    const b = machine();
    b.write(AT.STACK3, 8, NONCANONICAL);
    expect(vectorOf(b, code, { rax: NONCANONICAL })).toBe(GP);
    // Saved RIP and RSP.
    expect([b.stack(8, 2)[1], b.stack(8, 5)[4]]).toEqual([AT.CODE, AT.STACK3]);
  });
});

describe("string instructions that fault in the middle", () => {
  const state = (b: Bench) => [GPR.RDI, GPR.RSI, GPR.RCX].map((reg) => Number(b.cpu.gpr(reg)));
  it.each([
    ["REP MOVSB into a missing page", "f3a4", MISSING - 4, DATA, 16, [MISSING, DATA + 4, 12], MISSING],
    ["REP STOSQ across its edge", "f348ab", MISSING - 20, DATA, 16, [MISSING - 4, DATA, 14], MISSING],
    ["REP MOVSQ, destination", "f348a5", READ_ONLY, MISSING - 8, 4, [READ_ONLY, MISSING - 8, 4], READ_ONLY],
    ["MOVSB, both", "a4", READ_ONLY, MISSING, 4, [READ_ONLY, MISSING, 4], MISSING],
    ["CMPSB, both", "a6", MISSING, MISSING + 16, 4, [MISSING, MISSING + 16, 4], MISSING],
  ] as const)("%s", (_name, code, rdi, rsi, rcx, want, cr2) => {
    const b = machine();
    const { cpu } = b;
    fromHex(code).forEach((byte, i) => void b.write(AT.CODE + i, 1, byte));
    cpu.setGpr(GPR.RDI, BigInt(rdi));
    cpu.setGpr(GPR.RSI, BigInt(rsi));
    cpu.setGpr(GPR.RCX, BigInt(rcx));
    cpu.run(100);
    expect(state(b)).toEqual(want);
    expect(cpu.get32(OFF.CR2)).toBe(cr2);
    expect(b.stack(8, 2)[1]).toBe(AT.CODE);
  });
  it("and go on where they were once the page is there", () => {
    const b = machine();
    const { cpu } = b;
    [0xf3, 0xa4, 0xf4].forEach((byte, i) => void b.write(AT.CODE + i, 1, byte));
    for (let i = 0; i < 16; i++) b.write(DATA + i, 1, i + 1);
    cpu.setGpr(GPR.RDI, BigInt(MISSING - 4));
    cpu.setGpr(GPR.RSI, BigInt(DATA));
    cpu.setGpr(GPR.RCX, 16n);
    // The handler: drop the error code, IRETQ.
    [0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf].forEach((byte, i) => void b.write(handler(PF) + i, 1, byte));
    for (let i = 0; i < 100 && b.rip !== handler(PF); i++) cpu.run(1);
    expect(b.rip).toBe(handler(PF));
    b.mapPage(MISSING, 7);
    for (let i = 0; i < 100 && b.rip !== AT.CODE + 2; i++) cpu.run(1);
    expect(state(b)).toEqual([MISSING + 12, DATA + 16, 0]);
    expect(Array.from({ length: 16 }, (_, i) => b.read(MISSING - 4 + i, 1))).toEqual(
      Array.from({ length: 16 }, (_, i) => i + 1),
    );
  });
});
