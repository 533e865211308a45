/** System call entry of the 32-bit kernel: what C decides about SYSEXIT, and the call table. */
import { EFLAGS } from "../../cpu/layout.ts";
import { type FastExitTest, syscallUpcalls32 } from "../entry/do-syscall.ts";
import type { UpcallTable } from "../upcall.ts";

/** SYSEXIT returns to flat segments with ecx and edx lost, so only to code that knows: the landing pad. Never to v8086 mode. */
const SYSEXIT_TESTS: readonly FastExitTest[] = [
  { label: "sysexit_check_cs", holds: (k, regs) => regs.cs === k.layout.selectors.__USER_CS },
  { label: "sysexit_check_ss", holds: (k, regs) => regs.ss === k.layout.selectors.__USER_DS },
  { label: "sysexit_check_landing_pad", holds: (_k, regs, landingPad) => regs.ip === landingPad },
  {
    label: "sysexit_check_rf_tf_vm",
    holds: (_k, regs) => (regs.flags & (EFLAGS.RF | EFLAGS.TF | EFLAGS.VM)) === 0,
  },
];

export const SYSCALL_UPCALLS_32: UpcallTable = syscallUpcalls32(SYSEXIT_TESTS);
