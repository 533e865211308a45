/** What `--model 286` and `--model 386` change, by the manuals; what the 286's hardware does is in test/conformance/vectors. */
import { describe, expect, it } from "vitest";
import type { CpuModel } from "../../../src/emu/cpu/cpu.ts";
import { CR0, EFLAGS, OFF, SEG, type SegIndex } from "../../../src/emu/cpu/layout.ts";
import { resetCpu } from "../../../src/emu/cpu/system/reset.ts";
import { setSegmentRaw } from "../../../src/emu/cpu/system/segment.ts";
import { TestMachine } from "./kit.ts";

const model = (name: CpuModel["model"]): CpuModel => ({ vendor: "intel", model: name, quirks: [] });

const CODE = 0x1000;
const HANDLERS = 0x600;
const DATA = 0x20000;

/** Real mode; vector n leads to 0:600+n; DS and ES are a segment of their own. */
function real(name: CpuModel["model"]): TestMachine {
  const m = new TestMachine({ bits: 16, model: model(name) });
  for (let vector = 0; vector < 32; vector++) m.cpu.physWrite(vector * 4, 2, HANDLERS + vector);
  const data = { selector: DATA >> 4, attr: 0x93, base: DATA, limit: 0xffff };
  for (const seg of [SEG.DS, SEG.ES] as SegIndex[]) setSegmentRaw(m.cpu, seg, data);
  return m;
}

/** The exception that one instruction ends in; -1 for none. */
function exceptionOf(m: TestMachine, code: string): number {
  m.load(code, CODE).run(1);
  const ip = Number(m.cpu.rip) & 0xffff;
  const vector = ip - HANDLERS;
  return vector >= 0 && vector < 32 ? vector : -1;
}

describe("instructions that came later are undefined", () => {
  it.each([
    ["66 prefix", "66 90", 6, -1],
    ["67 prefix", "67 90", 6, -1],
    ["FS prefix", "64 a0 00 00", 6, -1],
    ["MOV AX, FS", "8c e0", 6, -1],
    ["MOV GS, AX", "8e e8", 6, -1],
    ["PUSH FS", "0f a0", 6, -1],
    ["MOVZX", "0f b6 c0", 6, -1],
    ["Jcc near", "0f 84 00 00", 6, -1],
    ["SHLD", "0f a5 c0", 6, -1],
    ["BSF", "0f bc c0", 6, -1],
    ["F3 BSF is no TZCNT", "f3 0f bc c0", 6, -1],
    ["MOV from CR0", "0f 20 c0", 6, -1],
    ["MOV from CR4", "0f 20 e0", 6, 6],
    ["BSWAP", "0f c8", 6, 6],
    ["XADD", "0f c1 c0", 6, 6],
    ["CMPXCHG", "0f b1 c0", 6, 6],
    ["CMPXCHG8B", "0f c7 0f", 6, 6],
    ["CMOV", "0f 44 c0", 6, 6],
    ["CPUID", "0f a2", 6, 6],
    ["RDTSC", "0f 31", 6, 6],
    ["RDMSR", "0f 32", 6, 6],
    ["SYSENTER", "0f 34", 6, 6],
    ["SYSCALL", "0f 05", 6, 6],
    ["WBINVD", "0f 09", 6, 6],
    ["long NOP", "0f 1f c0", 6, 6],
    ["SSE", "0f 58 c0", 6, 6],
    ["MMX", "0f 6f c0", 6, 6],
    ["F3 90 is NOP", "f3 90", -1, -1],
    ["MOV CS, AX", "8e c8", 6, 6],
    ["LES with a register", "c4 c0", 6, 6],
    ["CALL FAR with a register", "ff d8", 6, 6],
    ["POP /1", "8f c8", 6, 6],
    ["MOV imm /1", "c6 c8 00", 6, 6],
  ])("%s", (_name, code, on286, on386) => {
    expect([exceptionOf(real("286"), code), exceptionOf(real("386"), code)]).toEqual([on286, on386]);
  });
});

describe("LOCK and length", () => {
  it.each([
    ["LOCK MOV", "f0 88 c0", -1, 6],
    ["LOCK HLT", "f0 f4", -1, 6],
    ["LOCK ADD to memory", "f0 00 07", -1, -1],
    ["10 bytes", "2e 2e 2e 2e 81 06 00 00 00 00", -1, -1],
    ["11 bytes", "2e 2e 2e 2e 2e 81 06 00 00 00 00", 13, -1],
    ["10 prefixes", "2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 90", 13, -1],
    ["an undefined opcode in time", "2e 2e 2e 2e 2e 2e c6 88 34 12 00", 6, 6],
  ])("%s", (_name, code, on286, on386) => {
    expect([exceptionOf(real("286"), code), exceptionOf(real("386"), code)]).toEqual([on286, on386]);
  });
});

describe("flags", () => {
  const ALL = 0x00ff_ffd7 & ~(EFLAGS.TF | EFLAGS.VM | EFLAGS.RF);
  it("POPF cannot set IOPL and NT on a 286 in real mode", () => {
    const pop = (name: CpuModel["model"]) => {
      const m = real(name);
      m.cpu.physWrite(0x8000, 2, 0xfed7);
      m.load("9d", CODE).run(1);
      return m.cpu.getFlags();
    };
    expect([pop("286"), pop("386")]).toEqual([0x0ed7, 0x7ed7]);
  });
  it.each([
    ["386", 0],
    ["current", EFLAGS.AC | EFLAGS.ID],
  ] as const)("POPFD on a %s", (name, upper) => {
    const m = new TestMachine({ bits: 32, model: model(name) });
    m.cpu.physWrite(Number(m.get("RSP")), 4, ALL | 0);
    m.load("9d").run(1);
    expect(m.cpu.getFlags() & 0xffff_0000).toBe(upper);
  });
  it("IRETD on a 386 has no AC and ID", () => {
    const m = real("386");
    m.cpu.physWrite(0x8000, 4, 0x2000);
    m.cpu.physWrite(0x8008, 4, EFLAGS.AC | EFLAGS.ID | EFLAGS.CF);
    m.load("66 cf", CODE).run(1);
    expect(m.cpu.getFlags()).toBe(EFLAGS.CF | EFLAGS.FIXED);
  });
});

describe("control registers", () => {
  it("the machine status word and table images of the 286 have ones where it has nothing", () => {
    const m = real("286");
    resetCpu(m.cpu);
    m.cpu.set32(OFF.GDTR_BASE, 0x123456);
    const at = m.cpu.segBase(SEG.DS) + 0x100;
    m.cpu.physWrite(0x4, 4, 0);
    setSegmentRaw(m.cpu, SEG.CS, { selector: 0, attr: 0x9b, base: 0, limit: 0xffff });
    m.load("0f 01 e0 0f 01 06 00 01", CODE);
    m.cpu.updateMode();
    m.run(2);
    expect(Number(m.get("RAX")) & 0xffff).toBe(0xfff0);
    expect([m.read(at, 2), m.read(at + 2, 4)]).toEqual([0xffff, 0xff12_3456]);
  });
  it("a 386 has neither WP nor AM nor NE in CR0", () => {
    const m = new TestMachine({ bits: 32, model: model("386") });
    m.set("RAX", CR0.PE | CR0.WP | CR0.AM | CR0.NE | CR0.TS)
      .load("0f 22 c0")
      .run(1);
    expect(m.cpu.get32(OFF.CR0)).toBe(CR0.PE | CR0.ET | CR0.TS);
  });
});

describe("words across the end of a segment on a 286", () => {
  it.each([
    ["a word", "a1 ff ff", 13],
    ["a word before the end", "a1 fe ff", -1],
    ["a word of the stack", "36 a1 ff ff", 13],
    ["the second word of a far pointer at FFFD", "c4 06 fd ff", 13],
    ["the second word of a far pointer at FFFE is at 0", "c4 06 fe ff", -1],
    ["BOUND at FFFD", "62 06 fd ff", 13],
    ["BOUND at FFFE", "62 06 fe ff", -1],
  ])("%s", (_name, code, vector) => {
    expect(exceptionOf(real("286"), code)).toBe(vector);
  });
});

/** What an exception handler has to undo, by Intel's notes on LOADALL: "restarting string instructions". */
describe("a string instruction that faults on a 286 has moved on", () => {
  const END = 0xffff;
  const HERE = 0x100;
  it.each([
    ["REP STOSW", "f3 ab", HERE, END, { SI: 0, DI: 2, CX: -2 }],
    ["REP INSW", "f3 6d", HERE, END, { SI: 0, DI: 2, CX: -2 }],
    ["REPE SCASW", "f3 af", HERE, END, { SI: 0, DI: 2, CX: -2 }],
    ["REP OUTSW", "f3 6f", END, HERE, { SI: 2, DI: 0, CX: -2 }],
    ["REP MOVSW, source", "f3 a5", END, HERE, { SI: 2, DI: 0, CX: -1 }],
    ["REP MOVSW, destination", "f3 a5", HERE, END, { SI: 2, DI: 2, CX: -2 }],
    ["REPE CMPSW, destination", "f3 a7", HERE, END, { SI: 0, DI: 2, CX: -1 }],
    ["REPE CMPSW, source", "f3 a7", END, HERE, { SI: 2, DI: 2, CX: -2 }],
    ["MOVSW", "a5", END, HERE, { SI: 2, DI: 0, CX: 0 }],
  ])("%s", (_name, code, si, di, moved) => {
    const m = real("286").set("RSI", si).set("RDI", di).set("RCX", 1);
    expect(exceptionOf(m, code)).toBe(13);
    const now = (reg: "RSI" | "RDI" | "RCX") => Number(m.get(reg)) & 0xffff;
    const after = { SI: (si + moved.SI) & 0xffff, DI: (di + moved.DI) & 0xffff, CX: (1 + moved.CX) & 0xffff };
    expect({ SI: now("RSI"), DI: now("RDI"), CX: now("RCX") }).toEqual(after);
  });
  it("and on a 386 it has not", () => {
    const m = real("386").set("RDI", END).set("RCX", 1);
    expect([exceptionOf(m, "f3 ab"), m.get("RDI"), m.get("RCX")]).toEqual([13, 0xffffn, 1n]);
  });
});
