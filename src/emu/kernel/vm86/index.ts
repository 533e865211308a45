/** The vm86 system calls and the hooks that traps and signals have for v8086 mode. 32-bit kernel only. */
import type { Vm86Hooks } from "../arch.ts";
import { handleVm86Fault, handleVm86Trap } from "./emulate.ts";
import { saveV86State } from "./leave.ts";
import { v8086Mode } from "./state.ts";

export { VM86_SYSCALLS } from "./enter.ts";
export { type Vm86, Vm86Regs, v8086Mode, vm86Of } from "./state.ts";

export const VM86_HOOKS: Vm86Hooks = {
  mode: v8086Mode,
  trap: handleVm86Trap,
  fault: handleVm86Fault,
  leave: saveV86State,
};
