/** What a processor and the machine around it ask of each other: model, hooks, options, reasons to stop, and the values of state fields. */
import type { Cpu } from "./cpu.ts";
import type { Test } from "./ir/types.ts";
import type { PhysicalBus } from "./phys.ts";
import type { Addr } from "./state.ts";
import type { WatchHit } from "./watch.ts";

export type Vendor = "intel" | "amd";
/** The same shape as the machine's CpuModel. */
export interface CpuModel {
  readonly vendor: Vendor;
  readonly model: "286" | "386" | "current";
  readonly quirks: readonly string[];
}

export interface TransferEvent {
  readonly kind:
    | "exception"
    | "interrupt"
    | "software-int"
    | "nmi"
    | "syscall"
    | "sysenter"
    | "sysret"
    | "sysexit"
    | "iret"
    | "far"
    | "task-switch";
  readonly vector?: number;
  readonly errorCode?: number;
  readonly why?: string;
  readonly fromCpl: number;
  readonly toCpl: number;
  readonly fromIp: Addr;
  readonly toIp: Addr;
}

/** What a processor asks of the machine around it. Those that it cannot do without have defaults: ports that nobody drives. */
export interface CpuHooks {
  portIn: (port: number, size: 1 | 2 | 4) => number;
  portOut: (port: number, size: 1 | 2 | 4, value: number) => void;
  /** 32 seeded random bits, unsigned. */
  random: () => number;
  /** Interrupt acknowledge: the vector, or -1 if the request went away. */
  interruptVector: () => number;
  upcall?: (cpu: Cpu, id: number) => void;
  /** Physical addresses outside RAM. */
  bus?: PhysicalBus;
  /** Just before the instruction at a probed address. */
  probe?: (cpu: Cpu, addr: Addr) => void;
  /** At an armed breakpoint: does the run stop there? Asked once before its instruction; where nobody can be asked, it does. */
  breakpoint?: (cpu: Cpu) => boolean;
  /** A test that compiled code makes before it asks `breakpoint`, for code of so many bits; undefined = it asks each time. */
  breakpointTest?: (addr: Addr, bits: 16 | 32 | 64) => Test | undefined;
  transfer?: (cpu: Cpu, event: TransferEvent) => void;
  /** Page tables that have more of the kernel than those of CR3, for debuggers: where user mode has tables of its own. */
  kernelRoot?: (cpu: Cpu) => number;
  /** An instruction without an operation was met; it raises #UD. */
  unimplemented?: (cpu: Cpu, mnemonic: string) => void;
}

export interface CpuOptions {
  /** Compile hot code to WebAssembly. */
  readonly tier1?: boolean;
  /** Times a block runs before it is hot. */
  readonly hotAfter?: number;
}

export type CpuStop =
  | { readonly kind: "budget" }
  | { readonly kind: "breakpoint"; readonly address: Addr }
  /** An instruction has touched a watched range; it has retired. */
  | { readonly kind: "watchpoint"; readonly hit: WatchHit }
  | { readonly kind: "halt" }
  | { readonly kind: "shutdown"; readonly why: string }
  | { readonly kind: "request" };

/** Breakpoints are passed, or looked at if their tests want it, or looked at each time. */
export const ARMED = { OFF: 0, TESTED: 1, ALL: 2 } as const;
export type Arming = (typeof ARMED)[keyof typeof ARMED];
/** What has been asked already about an instruction that has not run, each at its count: the debugger's doing, no part of the guest's state. */
export interface Asked {
  /** The breakpoint that the last run stopped at, not to stop at again before moving on. */
  stoppedAt: number;
  /** The breakpoint that was asked about last, and the answer. */
  askedAt: number;
  stops: boolean;
  /** The last probe: an instruction is probed once, even if something came in between. */
  probedAt: number;
}
export const nothingAsked = (): Asked => ({ stoppedAt: -1, askedAt: -1, stops: false, probedAt: -1 });
export const ACTIVITY = { RUNNING: 0, HALTED: 1, SHUTDOWN: 2, WAIT_SIPI: 3 } as const;
/** DEBUG: a debug trap of the instruction that has just retired; PENDING_DEBUG has its DR6 bits. */
export const PENDING = { NMI: 1, MC: 2, INTR: 4, DEBUG: 8 } as const;
/** SHADOW_KIND: what set the interrupt shadow. MOV SS and POP SS also hold back debug traps. */
export const SHADOW = { NONE: 0, STI: 1, MOV_SS: 2 } as const;
