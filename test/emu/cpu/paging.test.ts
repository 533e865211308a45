/** Address translation and checked accesses: every paging mode, protections, accessed and dirty bits, page-crossing atomicity. */
import { describe, expect, it } from "vitest";
import { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { Fault, PF_ERROR, VECTOR } from "../../../src/emu/cpu/fault.ts";
import { CR0, CR4, EFER, EFLAGS, OFF, SEG } from "../../../src/emu/cpu/layout.ts";
import { CoreMemory } from "../../../src/emu/cpu/memory.ts";
import { INTEL, TestMachine } from "./kit.ts";

const P = 1;
const W = 2;
const U = 4;
const A = 0x20;
const D = 0x40;
const PS = 0x80;

function faultOf(run: () => unknown): Fault {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw thrown;
  }
  throw new Error("no fault");
}

/** Four-level tables at 0x1000.. that map page 0x400000 with the given leaf bits to frame 0x9000. */
function long(leaf: number, high = 0): Cpu {
  const cpu = new Cpu(new CoreMemory(1, 0x100000), 0, INTEL);
  for (const [at, low] of [
    [0x1000, 0x2007],
    [0x2000, 0x3007],
    [0x3010, 0x4007],
  ] as const)
    cpu.physWrite(at, 8, low, 0);
  cpu.physWrite(0x4000, 8, 0x9000 | leaf, high);
  cpu.set64(OFF.CR3, 0x1000n);
  cpu.set32(OFF.CR4, CR4.PAE);
  cpu.set64(OFF.EFER, BigInt(EFER.LME | EFER.LMA | EFER.NXE));
  cpu.set32(OFF.CR0, CR0.PE | CR0.PG | CR0.WP);
  cpu.updateMode();
  return cpu;
}
const V = 0x400000;
const entry = (cpu: Cpu, at: number): number => cpu.physRead(at, 4);

describe("four-level paging", () => {
  it("translates and sets accessed bits on the way, the dirty bit on a write", () => {
    const cpu = long(P | W | U);
    expect(cpu.translate(V + 0x123)).toBe(0x9123);
    for (const at of [0x1000, 0x2000, 0x3010, 0x4000]) expect(entry(cpu, at) & A).toBe(A);
    expect(entry(cpu, 0x4000) & D).toBe(0);
    cpu.writeLinear(V, 4, 1, true);
    expect(entry(cpu, 0x4000) & D).toBe(D);
  });

  it("changes nothing when it faults", () => {
    const cpu = long(P | U);
    const fault = faultOf(() => cpu.translate(V, { write: true, user: true }));
    expect([fault.vector, fault.errorCode, fault.addressLow]).toEqual([
      VECTOR.PF,
      PF_ERROR.P | PF_ERROR.W | PF_ERROR.U,
      V,
    ]);
    for (const at of [0x1000, 0x2000, 0x3010, 0x4000]) expect(entry(cpu, at) & (A | D)).toBe(0);
  });

  const codes: [string, number, number, object, number | undefined, (cpu: Cpu) => void][] = [
    ["a page that is not present", 0, 0, {}, 0, () => {}],
    ["a user access to a supervisor page", P | W, 0, { user: true }, 5, () => {}],
    ["a supervisor write to a read-only page, CR0.WP", P, 0, { write: true }, 3, () => {}],
    ["the same without CR0.WP", P, 0, { write: true }, undefined, (cpu) => cpu.set32(OFF.CR0, CR0.PE | CR0.PG)],
    ["a fetch from an NX page", P | U, 1 << 31, { exec: true, user: true }, 0x15, () => {}],
    [
      "NX with EFER.NXE clear: a reserved bit",
      P | U,
      1 << 31,
      {},
      9,
      (cpu) => cpu.set32(OFF.EFER, EFER.LME | EFER.LMA),
    ],
    ["a reserved address bit", P | U, 1 << 18, {}, 9, () => {}],
    ["SMEP", P | U, 0, { exec: true }, 0x11, (cpu) => cpu.set32(OFF.CR4, CR4.PAE | CR4.SMEP)],
    ["SMAP", P | U, 0, {}, 1, (cpu) => cpu.set32(OFF.CR4, CR4.PAE | CR4.SMAP)],
  ];
  it.each(codes)("%s", (_name, leaf, high, access, error, prepare) => {
    const cpu = long(leaf, high);
    prepare(cpu);
    if (error === undefined) expect(cpu.translate(V, access)).toBe(0x9000);
    else expect(faultOf(() => cpu.translate(V, access)).errorCode).toBe(error);
  });

  it("lets EFLAGS.AC excuse explicit supervisor accesses from SMAP, not implicit ones", () => {
    const m = new TestMachine({ bits: 64, ram: 0x400000 });
    const { cpu } = m;
    cpu.set32(OFF.CR4, CR4.PAE | CR4.SMAP);
    cpu.flushTlb();
    cpu.updateMode();
    expect(faultOf(() => cpu.loadSeg(SEG.DS, 0x20000, 0, 4)).errorCode).toBe(PF_ERROR.P);
    cpu.setFlagsRaw(EFLAGS.AC);
    cpu.updateMode();
    expect(cpu.loadSeg(SEG.DS, 0x20000, 0, 4)).toBe(0);
    expect(faultOf(() => cpu.readLinear(0x20000, 4, false)).errorCode).toBe(PF_ERROR.P);
  });

  it("peeks without effects and past protection", () => {
    const cpu = long(P);
    expect(cpu.peekTranslate(V + 5)).toBe(0x9005);
    expect(cpu.peekTranslate(V + 0x1000)).toBeUndefined();
    expect(entry(cpu, 0x4000) & A).toBe(0);
    expect(cpu.pageWalk(V).map((step) => step.level)).toEqual(["PML4E", "PDPTE", "PDE", "PTE"]);
  });

  it("writes nothing when the second page of a crossing write faults", () => {
    const cpu = long(P | W | U);
    expect(faultOf(() => cpu.writeLinear(V + 0xffe, 4, -1, true)).addressLow).toBe(V + 0x1000);
    expect(cpu.physRead(0x9ffe, 2)).toBe(0);
  });

  it("keeps a stale translation until it is flushed, as processors may", () => {
    const cpu = long(P | W | U);
    cpu.translate(V);
    cpu.physWrite(0x4000, 8, 0xa007, 0);
    cpu.flushTlbPage(V);
    expect(cpu.translate(V)).toBe(0xa000);
  });
});

it("maps 2 MiB and 1 GiB pages", () => {
  const cpu = long(0);
  cpu.physWrite(0x3010, 8, 0x600000 | P | PS, 0);
  expect(cpu.translate(V + 0x12345)).toBe(0x612345);
  cpu.physWrite(0x2000, 8, P | PS, 1);
  cpu.flushTlb();
  expect(cpu.translate(V + 0x12345)).toBe(0x1_0040_0000 + 0x12345);
});

it("walks two-level tables with 4 MiB pages, and PAE", () => {
  const cpu = new Cpu(new CoreMemory(1, 0x100000), 0, INTEL);
  cpu.set64(OFF.CR3, 0x1000n);
  cpu.physWrite(0x1000 + 4, 4, 0x2003);
  cpu.physWrite(0x2000 + 8, 4, 0x9003);
  cpu.physWrite(0x1000 + 8, 4, 0x00c00000 | PS | P);
  cpu.set32(OFF.CR0, CR0.PE | CR0.PG);
  expect(cpu.translate(0x402010)).toBe(0x9010);
  cpu.set32(OFF.CR4, CR4.PSE);
  expect(cpu.translate(0x812345)).toBe(0xc12345);
  cpu.physWrite(0x1000, 8, 0x3001, 0);
  cpu.physWrite(0x3010, 8, 0x4003, 0);
  cpu.physWrite(0x4010, 8, 0xb003, 0);
  cpu.set32(OFF.CR4, CR4.PAE);
  cpu.flushTlb();
  expect(cpu.translate(0x402010)).toBe(0xb010);
});

describe("checked accesses", () => {
  it("tells #SS from #GP for non-canonical addresses", () => {
    const { cpu } = new TestMachine({ bits: 64 });
    expect(faultOf(() => cpu.loadSeg(SEG.SS, 0, 0x8000, 8)).vector).toBe(VECTOR.SS);
    expect(faultOf(() => cpu.loadSeg(SEG.DS, 0, 0x8000, 8)).vector).toBe(VECTOR.GP);
  });

  it("checks alignment at CPL 3 with CR0.AM and EFLAGS.AC, in both tiers", () => {
    for (const hotAfter of [undefined, 1]) {
      const m = new TestMachine({ bits: 64, cpl: 3, ...(hotAfter ? { hotAfter } : {}) });
      m.load("8b03 ebfc").set("RBX", 0x20001);
      m.cpu.set32(OFF.CR0, m.cpu.get32(OFF.CR0) | CR0.AM);
      expect(m.run(10).kind).toBe("budget");
      m.cpu.setFlagsRaw(EFLAGS.AC);
      const stop = m.run(10);
      expect(stop.kind === "shutdown" && stop.why).toMatch(/misaligned|triple fault/);
      expect(faultOf(() => m.cpu.loadSeg(SEG.DS, 0x20001, 0, 4)).vector).toBe(VECTOR.AC);
    }
  });

  it("wraps no offset past a 16-bit limit", () => {
    const { cpu } = new TestMachine({ bits: 16 });
    expect(cpu.loadSeg(SEG.DS, 0xffff, 0, 1)).toBe(0);
    expect(faultOf(() => cpu.loadSeg(SEG.DS, 0xffff, 0, 2)).vector).toBe(VECTOR.GP);
    expect(faultOf(() => cpu.storeSeg(SEG.SS, 0xfffd, 0, 4, 0)).vector).toBe(VECTOR.SS);
  });
});
