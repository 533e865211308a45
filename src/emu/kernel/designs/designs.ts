/**
 * Designs: the ways the kernel can do one thing, as values in a table (design-table.ts). A design acts only through the symbols it
 * defines for the entry code and the hooks that the parts it concerns ask for; nothing else in the kernel asks which one is chosen.
 */

import type { LayoutChange } from "../layout/types.ts";
import { DESIGNS } from "./design-table.ts";
import { PRESETS } from "./presets.ts";

/** The 64-bit kernel's ministacks. */
export interface Espfix64 {
  /** Bytes of one CPU's. */
  readonly stackSize: 64 | 128;
  /** The aliases can be written, so that a fault of the IRET there can push its frame. */
  readonly writable: boolean;
  /** Page and slot are chosen from the seed. */
  readonly random: boolean;
}
/** Who sets the ministacks up, and how it is known that they are. */
export interface EspfixInit {
  /** At boot, when a CPU loads its first LDT, or when anyone does for the first time. */
  readonly when: "boot" | "load-ldt" | "modify-ldt";
  /** One step for all CPUs' page tables, or each CPU for itself. */
  readonly tables: "all" | "each";
  /** "Done already" is a list of pages, a static flag, or found out by walking to the address. */
  readonly known: "list" | "flag" | "probe";
}

/** What SYSCALL and SYSENTER in 32-bit code and INT $0x80 lead to: symbols of entry code. */
export interface CompatEntries {
  readonly cstar: string;
  readonly sysenter: string;
  readonly int80: string;
}

export interface DesignHooks {
  /** undefined = no espfix on the 64-bit kernel. */
  readonly espfix64?: Espfix64;
  readonly espfixInit?: EspfixInit;
  /** The 32-bit kernel's espfix segment. */
  readonly espfix32?: boolean;
  /** Bits of thread_info.flags that the layout in force has not. */
  readonly tif?: Readonly<Record<string, number>>;
  /** force_iret(): the flag that a system call sets which has changed pt_regs, to stay off the fast path. */
  readonly forceIret?: "IRET" | "NOTIFY_RESUME";
  /** The target of SYSCALL in 64-bit mode, where it is not entry_SYSCALL_64. */
  readonly syscallEntry?: string;
  /** The 64-bit kernel's entry points for 32-bit system calls. */
  readonly compatEntries?: CompatEntries;
  /** do_syscall_32_irqs_on() sets TS_COMPAT, not who calls it. */
  readonly compatFlagInCall?: boolean;
  /** thread_info has sysenter_return: where a fast 32-bit call returns to, for entry code in assembly. */
  readonly sysenterReturn?: boolean;
  /** A single-step trap in the kernel, as SYSENTER with TF has them, is noted in TIF_SINGLESTEP, and taken away. */
  readonly stepInKernelSetsFlag?: boolean;
  /** A task's I/O bitmap is loaded when the task is switched to. */
  readonly ioBitmapAtSwitch?: boolean;
  /** Hooks of context tracking in every function on the way out, instead of one at each end. */
  readonly contextTrackingEverywhere?: boolean;
  /** seccomp before a tracer sees the call, and not again when it may have changed it. */
  readonly seccompFirst?: boolean;
  /** Page table isolation: a PGD for user mode that has next to nothing of the kernel (64 bit). */
  readonly pti?: boolean;
  /** An interrupt's return into the kernel may schedule (CONFIG_PREEMPTION). */
  readonly preempt?: boolean;
  /** __switch_to puts the kernel's SS back where the processor's SYSRET needs it (X86_BUG_SYSRET_SS_ATTRS). */
  readonly fixSysretSs?: boolean;
}

export interface Design {
  readonly key: string;
  readonly value: string;
  /** Ids of the systems it serves. */
  readonly systems: readonly string[];
  readonly summary: string;
  /** Where it is described. */
  readonly source: string;
  /** Symbols predefined for entry/*.S. */
  readonly defines: Readonly<Record<string, number>>;
  readonly hooks: DesignHooks;
}

/** The designs in force: one of each key. */
export interface Choice {
  /** What the preset's Linux has otherwise than 6.1. */
  readonly layout: LayoutChange | undefined;
  readonly preset: string;
  readonly values: Readonly<Record<string, string>>;
  readonly defines: Readonly<Record<string, number>>;
  readonly hooks: DesignHooks;
}

/** @returns the choice, or one clear sentence about what is wrong with the request. */
export function chooseDesigns(preset: string, overrides: Readonly<Record<string, string>>): Choice | string {
  const base = PRESETS.find((p) => p.name === preset);
  if (base === undefined) return `unknown kernel preset "${preset}" (known: ${PRESETS.map((p) => p.name).join(", ")})`;
  const values = { ...base.designs, ...overrides };
  const chosen: Design[] = [];
  for (const [key, value] of Object.entries(values)) {
    const known = DESIGNS.filter((d) => d.key === key);
    if (known.length === 0)
      return `unknown design "${key}" (known: ${[...new Set(DESIGNS.map((d) => d.key))].join(", ")})`;
    const design = known.find((d) => d.value === value);
    if (design === undefined)
      return `unknown value "${value}" for design ${key} (known: ${known.map((d) => d.value).join(", ")})`;
    chosen.push(design);
  }
  return {
    layout: base.layout,
    preset,
    values,
    defines: Object.assign({}, ...chosen.map((d) => d.defines)),
    hooks: Object.assign({}, ...chosen.map((d) => d.hooks)),
  };
}
