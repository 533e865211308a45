/**
 * __ex_table: where a fault of the kernel's own code is expected, and how it goes on. The table is data in the kernel image, three
 * 32-bit words an entry as in Linux: the instruction and the place to go on, each relative to its own word, and the type.
 */
import type { Kernel } from "../kernel.ts";
import { EX_TYPE } from "../layout/types.ts";
import type { PtRegs } from "../ptregs.ts";

const ENTRY_SIZE = 12;
/** The segment register whose POP faulted. */
const POPPED: ReadonlyMap<number, string> = new Map([
  [EX_TYPE.POP_ZERO_DS, "ds"],
  [EX_TYPE.POP_ZERO_ES, "es"],
  [EX_TYPE.POP_ZERO_FS, "fs"],
]);

/** fixup_exception(): changes `regs` and says true if the address is in the table. */
export function fixupException(k: Kernel, regs: PtRegs): boolean {
  if (!k.hasSymbol("__start___ex_table") || !k.hasSymbol("__stop___ex_table")) return false;
  const bits = k.layout.wordSize * 8;
  const end = k.symbol("__stop___ex_table");
  const target = (at: number): bigint => BigInt.asUintN(bits, BigInt(at + (k.memory.readNumber(at, 4) | 0)));
  for (let entry = k.symbol("__start___ex_table"); entry < end; entry += ENTRY_SIZE) {
    if (target(entry) !== BigInt.asUintN(bits, regs.ip)) continue;
    const popped = POPPED.get(k.memory.readNumber(entry + 8, 4));
    if (popped !== undefined) {
      // as if 0 had been popped; the exit loads these registers from pt_regs
      regs.set("sp", regs.sp + 4n);
      regs.set(popped, 0);
    }
    regs.set("ip", target(entry + 4));
    return true;
  }
  return false;
}
