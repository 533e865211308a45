/**
 * What the editor's Kernel State and espfix views show: answers to the custom requests `ringside/kernelState` and
 * `ringside/espfix`, arguments `{ threadId?: number }`. Types only. Plain JSON: numbers that can exceed 2^53 are hexadecimal text ("0x...").
 *
 * The views ask again after `stopped`, after a user's change, and after the custom event `ringside/changed` (no body).
 */

/** When a bit or field last changed, and by what: an instruction's symbolic address or an up-call's name. */
export interface LastChange {
  readonly icount: number;
  readonly by: string;
}

/** A field or bit of `thread_info.status`, such as TS_COMPAT. */
export interface StatusField {
  readonly name: string;
  /** Hexadecimal text; for a bit, its mask when set and "0x0" when clear. */
  readonly value: string;
  readonly meaning: string;
  readonly lastChanged?: LastChange;
}

/** A bit of `thread_info.flags` or of `thread_info.syscall_work`. */
export interface FlagBit {
  readonly name: string;
  readonly bit: number;
  readonly set: boolean;
  readonly meaning: string;
  readonly lastChanged?: LastChange;
}

/** The last event of type "entry" on the timeline of this thread. */
export interface EntryRecord {
  readonly icount: number;
  readonly cpu: number;
  /** e.g. "syscall64", "int80", "sysenter", "exception", "irq", "nmi". */
  readonly kind: string;
  readonly vector?: number;
  readonly fromCpl?: number;
  /** Address of the interrupted or calling instruction, with its symbol if there is one. */
  readonly from?: string;
  /** Name and number of the system call, for system-call entries: "write (1)". */
  readonly syscall?: string;
}

export interface ExitRecord {
  readonly icount?: number;
  /** "SYSRETQ", "SYSRETL", "SYSEXIT", "IRETQ", "IRETD". */
  readonly instruction: string;
  /** One sentence: why this instruction. */
  readonly why: string;
  /** The first condition of the opportunistic fast exit that did not hold. */
  readonly firstFailing?: string;
  /** Labels passed through, first to last. */
  readonly path: readonly string[];
}

export interface NamedValue {
  readonly name: string;
  /** Hexadecimal text. */
  readonly value: string;
}

export interface KernelState {
  readonly arch: "x86_64" | "i386";
  readonly preset: string;
  readonly task: { readonly pid: number; readonly name: string };
  readonly mode: { readonly cpl: number; readonly bits: 16 | 32 | 64; readonly v86: boolean };
  readonly status: readonly StatusField[];
  readonly flags: readonly FlagBit[];
  readonly syscallWork: readonly FlagBit[];
  readonly lastEntry?: EntryRecord;
  readonly lastExit?: ExitRecord;
  readonly ptRegs: readonly NamedValue[];
}

export interface EspfixWord {
  /** Linear address, hexadecimal text. */
  readonly address: string;
  readonly value: string;
  /** "IP", "CS", "FLAGS", "SP", "SS", or what was found there. */
  readonly label: string;
}

/** One level of the page walk of the alias in use. */
export interface WalkStep {
  /** "PGD", "P4D", "PUD", "PMD", "PTE". */
  readonly level: string;
  readonly index: number;
  readonly entryAddress: string;
  readonly entry: string;
  /** e.g. ["present", "accessed", "read-only"]. */
  readonly flags: readonly string[];
}

export interface EspfixState {
  /** Value of the `espfix` design in use: "none", "espfix64", "espfix32", ... */
  readonly design: string;
  /** Whether the mechanism exists on this kernel and has been set up. */
  readonly available: boolean;
  /** Whether the stack that runs is the ministack, by its alias. */
  readonly inUse: boolean;
  readonly ministack?: { readonly linear: string; readonly physical: string; readonly words: readonly EspfixWord[] };
  readonly alias?: { readonly linear: string; readonly chosenBecause: string };
  readonly walk: readonly WalkStep[];
}
