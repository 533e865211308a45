/** __ex_table: where a fault of the kernel's own code is expected, and how it goes on. The table is data in the kernel image. */

import type { Kernel } from "../kernel.ts";
import type { Field } from "../layout/types.ts";
import type { PtRegs } from "../ptregs.ts";
import { EX_TYPE } from "./layout.ts";

const ENTRY_SIZE = 12;
const word = (offset: number): Field => ({ offset, size: 4 });
/** The segment register whose POP faulted. */
const POPPED: ReadonlyMap<number, string> = new Map([
  [EX_TYPE.POP_ZERO_DS, "ds"],
  [EX_TYPE.POP_ZERO_ES, "es"],
  [EX_TYPE.POP_ZERO_FS, "fs"],
]);

/** fixup_exception(): changes `regs` and says true if the address is in the table. */
export function fixupException(k: Kernel, regs: PtRegs): boolean {
  const ip = Number(regs.ip);
  const end = k.symbol("__stop___ex_table");
  for (let entry = k.symbol("__start___ex_table"); entry < end; entry += ENTRY_SIZE) {
    if (Number(k.memory.readField(entry, word(0))) !== ip) continue;
    const popped = POPPED.get(Number(k.memory.readField(entry, word(8))));
    if (popped !== undefined) {
      // as if 0 had been popped; the exit loads these registers from pt_regs
      regs.set("sp", regs.sp + 4n);
      regs.set(popped, 0);
    }
    regs.set("ip", k.memory.readField(entry, word(4)));
    return true;
  }
  return false;
}
