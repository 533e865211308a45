/** x87 control: initialisation, control and status word, environment and state images, WAIT, EMMS. */
import type { Cpu } from "../cpu.ts";
import { Fault, nm, VECTOR } from "../fault.ts";
import { CR0, OFF } from "../layout.ts";
import { computed, type Insn, type Operation, type OperationTable } from "../operation.ts";
import { checkBlock, loadAt, loadBig, storeAt, storeBig } from "./block-memory.ts";
import { commitMmx, enterMmx } from "./sse-lanes.ts";
import { clearPointers, linearPointer, loadSelectors, notePointer, selectorImage } from "./x87-pointers.ts";
import {
  checkX87,
  checkX87NoWait,
  FCW_INITIAL,
  FSW,
  readPhysical,
  status,
  tagOf,
  top,
  updateSummary,
  writePhysical,
} from "./x87-state.ts";

export function initialise(cpu: Cpu): void {
  cpu.set32(OFF.FCW, FCW_INITIAL);
  cpu.set32(OFF.FSW, 0);
  cpu.set32(OFF.FTW, 0xffff);
  clearPointers(cpu);
}

export function setControl(cpu: Cpu, word: number): void {
  // Bit 6 always reads as 1; 7 and 13 to 15 as 0.
  cpu.set32(OFF.FCW, (word & 0x1f3f) | 0x40);
  updateSummary(cpu);
}

/** Tags as FNSTENV and FXSAVE compute them: a register that is not empty is classified by what it holds. */
export function tagWord(cpu: Cpu): number {
  const kept = cpu.get32(OFF.FTW);
  let word = 0;
  for (let register = 0; register < 8; register++) {
    const empty = ((kept >> (register * 2)) & 3) === 3;
    word |= (empty ? 3 : tagOf(readPhysical(cpu, register))) << (register * 2);
  }
  return word;
}

export function setTagWord(cpu: Cpu, word: number): void {
  cpu.set32(OFF.FTW, word & 0xffff);
}

/** 14-byte images have words, 28-byte ones dwords. In real and v8086 mode the pointers are linear addresses. */
const wide = (insn: Insn): boolean => insn.opSize !== 16;
const unitOf = (insn: Insn): 2 | 4 => (wide(insn) ? 4 : 2);
const usesLinearPointers = (cpu: Cpu): boolean =>
  (cpu.get32(OFF.CR0) & CR0.PE) === 0 || (cpu.getFlags() & 0x20000) !== 0;

function storeEnvironment(cpu: Cpu, insn: Insn): void {
  const unit = unitOf(insn);
  const reserved = wide(insn) ? 0xffff_0000 : 0;
  const put = (index: number, value: number) => storeAt(cpu, insn, index * unit, unit, value | 0);
  put(0, cpu.get32(OFF.FCW) | reserved);
  put(1, status(cpu) | reserved);
  put(2, tagWord(cpu) | reserved);
  const opcode = cpu.get32(OFF.FOP) & 0x7ff;
  if (usesLinearPointers(cpu)) {
    const ip = linearPointer(cpu, OFF.FCS, OFF.FIP);
    const dp = linearPointer(cpu, OFF.FDS, OFF.FDP);
    const highBits = wide(insn)
      ? (address: number) => (address >>> 4) & 0x0fff_f000
      : (address: number) => (address >>> 4) & 0xf000;
    put(3, wide(insn) ? ip & 0xffff : ip);
    put(4, highBits(ip) | opcode);
    put(5, wide(insn) ? dp & 0xffff : dp);
    put(6, highBits(dp));
    return;
  }
  put(3, cpu.get32(OFF.FIP));
  put(4, selectorImage(cpu, OFF.FCS) | (wide(insn) ? opcode << 16 : 0));
  put(5, cpu.get32(OFF.FDP));
  put(6, selectorImage(cpu, OFF.FDS) | reserved);
}

function loadEnvironment(cpu: Cpu, insn: Insn): void {
  const unit = unitOf(insn);
  const words: number[] = [];
  for (let i = 0; i < 7; i++) words.push(loadAt(cpu, insn, i * unit, unit));
  const [control, newStatus, tags, ip, code, dp, data] = words as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  cpu.set32(OFF.FSW, newStatus & 0xffff);
  setControl(cpu, control);
  setTagWord(cpu, tags);
  cpu.set32(OFF.FIP + 4, 0);
  cpu.set32(OFF.FDP + 4, 0);
  cpu.set32(OFF.FCS, 0);
  cpu.set32(OFF.FDS, 0);
  if (usesLinearPointers(cpu)) {
    const mask = wide(insn) ? 0x0fff_f000 : 0xf000;
    cpu.set32(OFF.FIP, (ip & 0xffff) | ((code & mask) << 4));
    cpu.set32(OFF.FDP, (dp & 0xffff) | ((data & mask) << 4));
    cpu.set32(OFF.FOP, code & 0x7ff);
    return;
  }
  cpu.set32(OFF.FIP, ip);
  loadSelectors(cpu, code, data);
  cpu.set32(OFF.FOP, wide(insn) ? (code >>> 16) & 0x7ff : 0);
  cpu.set32(OFF.FDP, dp);
}

const environmentSize = (insn: Insn): number => (wide(insn) ? 28 : 14);

function save(cpu: Cpu, insn: Insn): void {
  checkX87NoWait(cpu);
  const start = environmentSize(insn);
  checkBlock(cpu, insn, 0, start + 80, true, unitOf(insn));
  storeEnvironment(cpu, insn);
  for (let i = 0; i < 8; i++) {
    const { mant, signExponent } = readPhysical(cpu, (top(cpu) + i) & 7);
    storeBig(cpu, insn, start + i * 10, mant);
    storeAt(cpu, insn, start + i * 10 + 8, 2, signExponent);
  }
  initialise(cpu);
}

function restore(cpu: Cpu, insn: Insn): void {
  checkX87(cpu, insn);
  const start = environmentSize(insn);
  checkBlock(cpu, insn, 0, start + 80, false, unitOf(insn));
  loadEnvironment(cpu, insn);
  for (let i = 0; i < 8; i++) {
    const mant = loadBig(cpu, insn, start + i * 10);
    writePhysical(cpu, (top(cpu) + i) & 7, { mant, signExponent: loadAt(cpu, insn, start + i * 10 + 8, 2) });
  }
}

/** FNSTENV masks all exceptions after storing. */
function storeEnvironmentAndMask(cpu: Cpu, insn: Insn): void {
  checkX87NoWait(cpu);
  checkBlock(cpu, insn, 0, environmentSize(insn), true, unitOf(insn));
  storeEnvironment(cpu, insn);
  setControl(cpu, cpu.get32(OFF.FCW) | 0x3f);
}

const noWait = (body: (cpu: Cpu, insn: Insn) => void): Operation =>
  computed((cpu, insn) => {
    checkX87NoWait(cpu);
    body(cpu, insn);
  });

const nothing = noWait(() => {});

export const x87ControlOperations: OperationTable = {
  Fninit: noWait(initialise),
  Fnclex: noWait((cpu) => cpu.set32(OFF.FSW, status(cpu) & ~(0x7f | FSW.ES | FSW.B))),
  Fldcw: computed((cpu, insn) => {
    checkX87(cpu, insn);
    setControl(cpu, cpu.readOp(insn, 0));
  }),
  Fnstcw: noWait((cpu, insn) => cpu.writeOp(insn, 0, cpu.get32(OFF.FCW), 0)),
  Fnstsw: noWait((cpu, insn) => cpu.writeOp(insn, 0, status(cpu), 0)),
  Fnstenv: computed(storeEnvironmentAndMask),
  Fldenv: computed((cpu, insn) => {
    checkX87(cpu, insn);
    checkBlock(cpu, insn, 0, environmentSize(insn), false, unitOf(insn));
    loadEnvironment(cpu, insn);
  }),
  Fnsave: computed(save),
  Frstor: computed(restore),
  // Control or not: it is remembered (measured).
  Fnop: computed((cpu, insn) => {
    checkX87(cpu, insn);
    notePointer(cpu, insn);
  }),
  // The 8087's interrupt enables and the 287's protected-mode switch: accepted and ignored since the 387.
  Fneni: nothing,
  Fndisi: nothing,
  Fnsetpm: nothing,
  Wait: computed((cpu) => {
    const cr0 = cpu.get32(OFF.CR0);
    if (cr0 & CR0.TS && cr0 & CR0.MP) throw nm("WAIT with CR0.TS and CR0.MP set");
    if (status(cpu) & FSW.ES) throw new Fault(VECTOR.MF, 0, "pending unmasked x87 exception");
  }),
  Emms: computed((cpu) => {
    enterMmx(cpu);
    commitMmx(cpu);
    cpu.set32(OFF.FTW, 0xffff);
  }),
};
