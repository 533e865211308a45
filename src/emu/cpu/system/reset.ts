/** The state after RESET (SDM vol. 3, table 10-1): real mode, CS:EIP at F000:FFF0 with its base still at the top of 4 GiB. */
import type { Cpu } from "../cpu.ts";
import { CR0, EFLAGS, GPR, OFF, SEG } from "../layout.ts";
import { factsOf } from "../model.ts";
import { IDENTITIES } from "./cpuid-data.ts";
import { setSegmentRaw } from "./segment.ts";

const DATA = 0x93;
const TSS32_BUSY = 0x8b;
const LDT = 0x82;
const FULL_LIMIT = 0xffff;
/** PA4-7 repeat PA0-3: WB, WT, UC-, UC. */
const PAT_AT_RESET = 0x0007_0406_0007_0406n;

export function resetCpu(cpu: Cpu): void {
  const first = cpu.base;
  cpu.core.u8.fill(0, first, first + OFF.TLB);
  const { signature, cr0, cr0Fixed } = factsOf(cpu);
  cpu.setGpr(GPR.RDX, BigInt(signature ?? IDENTITIES[cpu.model.vendor].signature));
  cpu.setRip(0xfff0, 0);
  cpu.setFlagsRaw(EFLAGS.FIXED);
  cpu.set32(OFF.CR0, ((CR0.CD | CR0.NW) & cr0) | cr0Fixed);
  cpu.set32(OFF.GDTR_LIMIT, FULL_LIMIT);
  cpu.set32(OFF.IDTR_LIMIT, FULL_LIMIT);
  cpu.set64(OFF.DR + 6 * 8, 0xffff_0ff0n);
  cpu.set64(OFF.DR + 7 * 8, 0x400n);
  cpu.set64(OFF.PAT, PAT_AT_RESET);
  cpu.set64(OFF.XCR0, 1n);
  cpu.set32(OFF.FCW, 0x40);
  cpu.set32(OFF.FTW, 0x5555);
  cpu.set32(OFF.MXCSR, 0x1f80);
  for (const seg of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
    setSegmentRaw(cpu, seg, { selector: 0, attr: DATA, base: 0, limit: FULL_LIMIT });
  }
  setSegmentRaw(cpu, SEG.CS, { selector: 0xf000, attr: DATA | 8, base: 0xffff_0000, limit: FULL_LIMIT });
  setSegmentRaw(cpu, SEG.LDTR, { selector: 0, attr: LDT, base: 0, limit: FULL_LIMIT });
  setSegmentRaw(cpu, SEG.TR, { selector: 0, attr: TSS32_BUSY, base: 0, limit: FULL_LIMIT });
  cpu.stateReplaced();
}
