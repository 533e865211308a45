/** Descriptor-table registers: LGDT, LIDT, SGDT, SIDT, LLDT, SLDT, LTR, STR. */
import type { Cpu } from "../cpu.ts";
import { gp } from "../fault.ts";
import { OFF, SEG } from "../layout.ts";
import { factsOf } from "../model.ts";
import type { Helper, Insn } from "../operation.ts";
import { isCanonical } from "../state.ts";
import { offsetPlus } from "./far.ts";
import { checkUmip, requireCpl0, requireSelectors } from "./privilege.ts";
import { loadLdtr, loadTr } from "./segment.ts";

type TableBase = typeof OFF.GDTR_BASE | typeof OFF.IDTR_BASE;
const limitAt = (base: TableBase): number => (base === OFF.GDTR_BASE ? OFF.GDTR_LIMIT : OFF.IDTR_LIMIT);

function memory(insn: Insn): Extract<Insn["ops"][number], { kind: "mem" }> {
  const op = insn.ops[0]!;
  if (op.kind !== "mem") throw new Error("a descriptor-table register is loaded from memory");
  return op;
}

/** Limit, then a base of 64 bits in 64-bit mode, else 32, of which a 16-bit operand size takes 24. */
const loadTable =
  (base: TableBase, name: string): Helper =>
  (cpu, insn) => {
    requireCpl0(cpu, name);
    const op = memory(insn);
    const low = cpu.effectiveAddress(insn, 0);
    const { high } = cpu;
    const limit = cpu.loadSeg(op.seg, low, high, 2);
    const at = offsetPlus(insn, low, high, 2);
    const wide = insn.bits === 64;
    const baseLow = cpu.loadSeg(op.seg, at.low, at.high, wide ? 8 : 4);
    const baseHigh = wide ? cpu.high : 0;
    if (!isCanonical(baseHigh)) throw gp(0, `${name} with a base that is not canonical`);
    cpu.set32(limitAt(base), limit);
    cpu.set32(base, !wide && insn.opSize === 16 ? baseLow & 0xffffff : baseLow);
    cpu.set32(base + 4, baseHigh);
  };

/** All of the base is stored whatever the operand size, as processors since the 386 do; the 286 has 24 bits of it. */
const storeTable =
  (base: TableBase, name: string): Helper =>
  (cpu, insn) => {
    checkUmip(cpu, name);
    const op = memory(insn);
    const low = cpu.effectiveAddress(insn, 0);
    const { high } = cpu;
    const size = insn.bits === 64 ? 8 : 4;
    const at = offsetPlus(insn, low, high, 2);
    cpu.checkSeg(op.seg, at.low, at.high, size, true);
    cpu.storeSeg(op.seg, low, high, 2, cpu.get32(limitAt(base)) & 0xffff, 0);
    cpu.storeSeg(op.seg, at.low, at.high, size, cpu.get32(base) | factsOf(cpu).tableBaseFill, cpu.get32(base + 4));
  };

export const lgdt = loadTable(OFF.GDTR_BASE, "LGDT");
export const lidt = loadTable(OFF.IDTR_BASE, "LIDT");
export const sgdt = storeTable(OFF.GDTR_BASE, "SGDT");
export const sidt = storeTable(OFF.IDTR_BASE, "SIDT");

const loadSystemSegment =
  (name: string, load: (cpu: Cpu, selector: number) => void): Helper =>
  (cpu, insn) => {
    requireSelectors(cpu, name);
    requireCpl0(cpu, name);
    load(cpu, cpu.readOp(insn, 0) & 0xffff);
  };

const storeSystemSegment =
  (name: string, seg: typeof SEG.LDTR | typeof SEG.TR): Helper =>
  (cpu, insn) => {
    requireSelectors(cpu, name);
    checkUmip(cpu, name);
    cpu.writeOp(insn, 0, cpu.selector(seg), 0);
  };

export const lldt = loadSystemSegment("LLDT", loadLdtr);
export const ltr = loadSystemSegment("LTR", loadTr);
export const sldt = storeSystemSegment("SLDT", SEG.LDTR);
export const str = storeSystemSegment("STR", SEG.TR);
