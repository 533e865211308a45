/** RDMSR and WRMSR: a table of the model-specific registers, and what each permits. Anything else is #GP. */
import type { Cpu } from "../cpu.ts";
import { gp } from "../fault.ts";
import { CR0, EFER, GPR, OFF, SEG, type SegIndex } from "../layout.ts";
import type { Helper } from "../operation.ts";
import { isCanonical } from "../state.ts";
import { hex } from "./descriptor.ts";
import { requireCpl0 } from "./privilege.ts";
import { segmentBaseHigh, segmentBaseLow, setSegmentBase } from "./segment.ts";

export interface Msr {
  readonly name: string;
  readonly vendor?: "intel" | "amd";
  readLow(cpu: Cpu): number;
  readHigh(cpu: Cpu): number;
  /** Throws #GP for values that the register refuses. */
  write(cpu: Cpu, low: number, high: number): void;
}

type Check = (low: number, high: number) => string | undefined;

/** A register that is a 64-bit field of the state. `check` gives the reason to refuse a value. */
function field(name: string, offset: number, check: Check): Msr {
  return {
    name,
    readLow: (cpu) => cpu.get32(offset),
    readHigh: (cpu) => cpu.get32(offset + 4),
    write(cpu, low, high) {
      const refused = check(low, high);
      if (refused !== undefined) throw gp(0, `WRMSR to ${name}: ${refused}`);
      cpu.set32(offset, low);
      cpu.set32(offset + 4, high);
    },
  };
}

const anything: Check = () => undefined;
const canonical: Check = (_, high) => (isCanonical(high) ? undefined : "the address is not canonical");
const low32: Check = (_, high) => (high === 0 ? undefined : "bits 63:32 are reserved");
const PAT_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7]);
const memoryTypes: Check = (low, high) => {
  const bytes = [0, 8, 16, 24].flatMap((shift) => [(low >>> shift) & 0xff, (high >>> shift) & 0xff]);
  return bytes.every((b) => PAT_TYPES.has(b)) ? undefined : "a byte is no memory type";
};
const DEBUGCTL_BITS = 3;
const debugctl: Check = (low, high) =>
  (low & ~DEBUGCTL_BITS) === 0 && high === 0 ? undefined : "a reserved bit is set";

const umwait: Check = (low, high) => ((low & 2) === 0 && high === 0 ? undefined : "a reserved bit is set");

function segmentBase(name: string, seg: SegIndex): Msr {
  return {
    name,
    readLow: (cpu) => segmentBaseLow(cpu, seg),
    readHigh: (cpu) => segmentBaseHigh(cpu, seg),
    write(cpu, low, high) {
      if (!isCanonical(high)) throw gp(0, `WRMSR to ${name}: the address is not canonical`);
      setSegmentBase(cpu, seg, low, high);
    },
  };
}

/** AMD, whose SYSENTER is for legacy mode, keeps 32 bits and asks nothing of the others. */
function sysenterTarget(name: string, offset: number): Msr {
  const wide = field(name, offset, canonical);
  return {
    ...wide,
    write: (cpu, low, high) =>
      cpu.model.vendor === "amd" ? cpu.set64(offset, BigInt(low >>> 0)) : wide.write(cpu, low, high),
  };
}

const EFER_WRITABLE = EFER.SCE | EFER.LME | EFER.NXE;

function writeEfer(cpu: Cpu, low: number, high: number): void {
  const old = cpu.get32(OFF.EFER);
  const reserved = low & ~(EFER_WRITABLE | EFER.LMA);
  if (reserved !== 0 || high !== 0) throw gp(0, `WRMSR to EFER sets reserved bits: ${hex(reserved)}`);
  if (((old ^ low) & EFER.LME) !== 0 && (cpu.get32(OFF.CR0) & CR0.PG) !== 0)
    throw gp(0, "WRMSR to EFER changes LME while paging is on");
  cpu.set32(OFF.EFER, (low & EFER_WRITABLE) | (old & EFER.LMA));
  if (((old ^ low) & EFER.NXE) !== 0) cpu.flushTlb();
  cpu.updateMode();
}

const efer: Msr = { name: "EFER", readLow: (cpu) => cpu.get32(OFF.EFER), readHigh: () => 0, write: writeEfer };

/** The time-stamp counter: instructions retired, plus an offset. */
export function timeStamp(cpu: Cpu): bigint {
  cpu.syncCount();
  return BigInt.asUintN(64, cpu.icount + cpu.get64(OFF.TSC_OFFSET));
}

const low32Of = (value: bigint): number => Number(BigInt.asIntN(32, value));

const tsc: Msr = {
  name: "IA32_TIME_STAMP_COUNTER",
  readLow: (cpu) => low32Of(timeStamp(cpu)),
  readHigh: (cpu) => low32Of(timeStamp(cpu) >> 32n),
  write(cpu, low, high) {
    cpu.syncCount();
    const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    cpu.set64(OFF.TSC_OFFSET, BigInt.asUintN(64, value - cpu.icount));
  },
};

/** There are no supervisor state components. */
const xss: Msr = {
  name: "IA32_XSS",
  readLow: () => 0,
  readHigh: () => 0,
  write(_cpu, low, high) {
    if ((low | high) !== 0) throw gp(0, "WRMSR to IA32_XSS: this processor has no supervisor state components");
  },
};

export const MSRS: ReadonlyMap<number, Msr> = new Map([
  [0x10, tsc],
  [0x1b, field("IA32_APIC_BASE", OFF.APIC_BASE, anything)],
  [0xe1, { ...field("IA32_UMWAIT_CONTROL", OFF.UMWAIT_CONTROL, umwait), vendor: "intel" }],
  [0x174, field("IA32_SYSENTER_CS", OFF.SYSENTER_CS, anything)],
  [0x175, sysenterTarget("IA32_SYSENTER_ESP", OFF.SYSENTER_ESP)],
  [0x176, sysenterTarget("IA32_SYSENTER_EIP", OFF.SYSENTER_EIP)],
  [0x1a0, { ...field("IA32_MISC_ENABLE", OFF.MISC_ENABLE, anything), vendor: "intel" }],
  [0x1d9, field("IA32_DEBUGCTL", OFF.DEBUGCTL, debugctl)],
  [0x277, field("IA32_PAT", OFF.PAT, memoryTypes)],
  [0xda0, xss],
  [0xc000_0080, efer],
  [0xc000_0081, field("STAR", OFF.STAR, anything)],
  [0xc000_0082, field("LSTAR", OFF.LSTAR, canonical)],
  [0xc000_0083, field("CSTAR", OFF.CSTAR, canonical)],
  [0xc000_0084, field("SFMASK", OFF.SFMASK, low32)],
  [0xc000_0100, segmentBase("FS_BASE", SEG.FS)],
  [0xc000_0101, segmentBase("GS_BASE", SEG.GS)],
  [0xc000_0102, field("KERNEL_GS_BASE", OFF.KERNEL_GS_BASE, canonical)],
  [0xc000_0103, field("TSC_AUX", OFF.TSC_AUX, low32)],
]);

function register(cpu: Cpu, instruction: string): Msr {
  requireCpl0(cpu, instruction);
  const number = cpu.gprLow(GPR.RCX) >>> 0;
  const msr = MSRS.get(number);
  if (msr === undefined || (msr.vendor ?? cpu.model.vendor) !== cpu.model.vendor)
    throw gp(0, `${instruction}: this processor has no MSR ${hex(number)}`);
  return msr;
}

export const rdmsr: Helper = (cpu) => {
  const msr = register(cpu, "RDMSR");
  cpu.setGprHalves(GPR.RAX, msr.readLow(cpu), 0);
  cpu.setGprHalves(GPR.RDX, msr.readHigh(cpu), 0);
};

export const wrmsr: Helper = (cpu) => {
  register(cpu, "WRMSR").write(cpu, cpu.gprLow(GPR.RAX), cpu.gprLow(GPR.RDX));
};
