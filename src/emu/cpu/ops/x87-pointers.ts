/**
 * What the x87 remembers for an exception handler: where the last instruction was, its opcode, and where its operand was. Control
 * instructions are not remembered.
 */
import type { Cpu } from "../cpu.ts";
import { OFF, SEG } from "../layout.ts";
import type { Insn } from "../operation.ts";
import { addrOf } from "../state.ts";
import { hasFeature } from "../system/announced.ts";

/** CPUID.7.0:EBX[13]: selectors of instruction and operand are not kept; they are stored as 0. */
export const keepsSelectors = (cpu: Cpu): boolean => !hasFeature(cpu, "nofcsfds");

/** CPUID.7.0:EBX[6]: opcode and operand are remembered only when the instruction raises an unmasked exception. */
const onExceptionOnly = (cpu: Cpu): boolean => hasFeature(cpu, "fdpexcptnonly");

/** After everything of the instruction that can fault. */
export function notePointer(cpu: Cpu, insn: Insn): void {
  cpu.set32(OFF.FIP, insn.ipLow);
  cpu.set32(OFF.FIP + 4, insn.ipHigh);
  cpu.set32(OFF.FCS, cpu.selector(SEG.CS));
  if (!onExceptionOnly(cpu)) noteOperand(cpu, insn);
}

export function noteOperand(cpu: Cpu, insn: Insn): void {
  cpu.set32(OFF.FOP, opcodeBits(cpu, insn));
  const op = insn.ops.find((each) => each.kind === "mem");
  if (op === undefined) return;
  const index = insn.ops.indexOf(op);
  cpu.set32(OFF.FDP, cpu.effectiveAddress(insn, index));
  cpu.set32(OFF.FDP + 4, cpu.high);
  cpu.set32(OFF.FDS, cpu.selector(op.seg));
}

/** Low three bits of the escape byte, and the byte after it. */
function opcodeBits(cpu: Cpu, insn: Insn): number {
  const start = cpu.in64 ? addrOf(insn.ipLow, insn.ipHigh) : (insn.ipLow + cpu.segBase(SEG.CS)) >>> 0;
  const byte = (i: number): number => {
    const at = cpu.peekTranslate(start + i);
    return at === undefined ? 0 : cpu.physRead(at, 1);
  };
  for (let i = 0; i < insn.length; i++) if (byte(i) >> 3 === 0xd8 >> 3) return ((byte(i) & 7) << 8) | byte(i + 1);
  return 0;
}

/** The pointers as an image holds them. In real and virtual-8086 mode FNSTENV wants linear addresses. */
export const linearPointer = (cpu: Cpu, selector: number, offset: number): number =>
  (cpu.get32(offset) + ((cpu.get32(selector) & 0xffff) << 4)) | 0;
export const selectorImage = (cpu: Cpu, field: number): number => (keepsSelectors(cpu) ? cpu.get32(field) & 0xffff : 0);

export function loadSelectors(cpu: Cpu, code: number, data: number): void {
  const kept = keepsSelectors(cpu);
  cpu.set32(OFF.FCS, kept ? code & 0xffff : 0);
  cpu.set32(OFF.FDS, kept ? data & 0xffff : 0);
}

export function clearPointers(cpu: Cpu): void {
  for (const field of [OFF.FIP, OFF.FIP + 4, OFF.FDP, OFF.FDP + 4, OFF.FCS, OFF.FDS, OFF.FOP]) cpu.set32(field, 0);
}
