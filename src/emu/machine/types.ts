/** Values that cross the machine's edge: why a run stopped, what happened (events), what a snapshot is. Plain data throughout. */
import type { Addr } from "../cpu/state.ts";
import type { WatchHit } from "../cpu/watch.ts";
import type { PageTable } from "./pages.ts";

export type Vendor = "intel" | "amd";
export interface CpuModel {
  readonly vendor: Vendor;
  readonly model: "286" | "386" | "current";
  /** e.g. "k6-syscall". */
  readonly quirks: readonly string[];
}

export type StopReason =
  | { readonly kind: "budget" } // the instructions asked for have run
  | { readonly kind: "breakpoint"; readonly cpu: number; readonly address: Addr } // RIP is at it, not yet executed
  | { readonly kind: "watchpoint"; readonly cpu: number; readonly hit: WatchHit } // the access has been made, its instruction has retired
  | { readonly kind: "request" } // someone called machine.stop() (event handlers, pause)
  | { readonly kind: "exit"; readonly status: number; readonly signal?: number } // the guest ended: exit status, or the signal that killed it
  | { readonly kind: "halt" } // HLT with nothing that could wake it
  | { readonly kind: "shutdown"; readonly why: string }; // triple fault

/** Sized by what the user sees: one line of --trace each. `icount` is the machine's instruction count when it happened. */
export interface MachineEvent {
  readonly icount: number;
  readonly cpu: number;
  /** e.g. "entry", "exit", "fault", "exit-work", "signal", "syscall", "upcall", "console", "unimplemented". */
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A complete state. Restoring it and running on gives the same events and the same hash, whichever tier runs. */
export interface Snapshot {
  readonly icount: number;
  /** CPU states, settled. */
  readonly cpus: readonly Uint8Array[];
  /** What their TLBs held: a run that goes on and a run restored use the same translations, stale ones included. */
  readonly translations: readonly Int32Array[];
  /** RAM pages that were ever written. Shared between snapshots while unchanged; never mutated. */
  readonly pages: PageTable;
  /** State of devices and kernel outside guest memory: structured-clonable plain data, by component name. */
  readonly components: Readonly<Record<string, unknown>>;
}

/** A part of the machine with state outside guest memory. */
export interface Component {
  readonly name: string;
  /** Plain data, deeply copied: no live reference may remain in it. */
  save(): unknown;
  restore(state: unknown): void;
}
