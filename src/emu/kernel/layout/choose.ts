/** The layout in force: a kernel's own, with the flags that the chosen designs add, and the symbols that entry code has for them. */
import type { Choice } from "../designs/designs.ts";
import type { Field, KernelLayout } from "./types.ts";

/** Flags that the return to user mode acts on after its loop. */
const LATE_WORK = ["USER_RETURN_NOTIFY", "NEED_FPU_LOAD", "IO_BITMAP"];
/** Behind what all designs have in thread_info. */
const SYSENTER_RETURN: Field = { offset: 24, size: 4 };

export function chooseLayout(own: KernelLayout, { hooks, layout: change }: Choice): KernelLayout {
  // without a word of their own, the flags of syscall_work are among the others
  const threadInfo = {
    ...own.threadInfo,
    ...(change === undefined ? {} : { syscall_work: own.threadInfo.flags! }),
    ...(hooks.sysenterReturn === true ? { sysenter_return: SYSENTER_RETURN } : {}),
  };
  const layout: KernelLayout = { ...own, ...change, threadInfo };
  const tif = { ...layout.tif, ...hooks.tif };
  return { ...layout, tif, defines: { ...layout.defines, ...flagDefines(layout, tif) } };
}

/** TIF_x and _TIF_x as in Linux, and the masks that decide about a fast path. A flag that is not there is a mask of 0. */
function flagDefines(layout: KernelLayout, tif: KernelLayout["tif"]): Record<string, number> {
  const mask = (name: string): number => (tif[name] === undefined ? 0 : (1 << tif[name]) >>> 0);
  const named = Object.keys(tif).flatMap((name) => [
    [`TIF_${name}`, tif[name]!] as const,
    [`_TIF_${name}`, mask(name)],
  ]);
  const work = Object.entries(layout.syscallWork).map(([name, bit]) => [`_SYSCALL_WORK_${name}`, (1 << bit) >>> 0]);
  const masks = (...names: string[]): number => names.reduce((sum, name) => sum | mask(name), 0);
  const status = Object.entries(layout.status).map(([name, value]) => [`TS_${name}`, value]);
  return {
    _TIF_IRET: 0,
    _TIF_IA32: 0,
    _TIF_NOHZ: 0,
    ...(Object.fromEntries(status) as Record<string, number>),
    ...(Object.fromEntries(work) as Record<string, number>),
    ...(Object.fromEntries(named) as Record<string, number>),
    _TIF_FAST_PATH_WORK: (layout.work.exitToUserMode | masks(...LATE_WORK, "IRET")) >>> 0,
    // what an exit loop in assembly hands to do_notify_resume
    _TIF_DO_NOTIFY_MASK:
      ((layout.work.exitToUserMode & ~mask("NEED_RESCHED")) | masks("USER_RETURN_NOTIFY", "NEED_FPU_LOAD")) >>> 0,
    _SYSCALL_WORK_ENTER: layout.work.syscallEnter,
    _SYSCALL_WORK_EXIT: layout.work.syscallExit,
    TI_syscall_work: layout.threadInfo.syscall_work!.offset,
    TI_sysenter_return: layout.threadInfo.sysenter_return?.offset ?? 0,
  };
}
