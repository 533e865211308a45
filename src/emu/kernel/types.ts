/** The system as its users (command line, debug adapter, tests) see it: options in, a running machine with a kernel out. */
import type { Image } from "../../asmlang/types.ts";
import type { Cpu } from "../cpu/cpu.ts";
import type { Addr } from "../cpu/state.ts";
import type { CpuModel, MachineEvent } from "../machine/types.ts";
import type { Kernel } from "./kernel.ts";

/** A program ready to load: an ELF file, a flat image, or our own assembler's image with its symbols and lines. */
export type Program =
  | { readonly kind: "elf"; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: "image"; readonly name: string; readonly image: Image };

export interface Injection {
  /** Label or expression; see the expression language. */
  readonly at: string;
  /** "nmi" | "irq" | "mc" | "signal:SIGALRM" | "tif:UPROBE" | "work:SYSCALL_AUDIT" */
  readonly event: string;
  readonly count?: number;
}

/** Where an injection strikes, read from its `at`. */
export interface Trigger {
  readonly place:
    | { readonly kind: "address"; addresses(): readonly Addr[] } // before the instruction there runs: asked again when code has come
    | { readonly kind: "instruction"; readonly icount: number } // before instruction number `icount`
    | { readonly kind: "event"; readonly type: string } // right behind the instruction that the event belongs to
    | { readonly kind: "everywhere" }; // before any instruction
  /** Whether it does, there. */
  readonly holds?: (cpu: Cpu, event: MachineEvent | undefined) => boolean;
}

/** @returns one sentence if there is no such place. */
export type TriggerReader = (kernel: Kernel, at: string) => Trigger | string;

export interface SystemOptions {
  readonly arch: "x86_64" | "i386";
  readonly cpu: CpuModel;
  readonly cpus: number;
  /** Preset name and single designs, e.g. preset "linux-6.1", { espfix: "none" }. */
  readonly preset: string;
  readonly designs: Readonly<Record<string, string>>;
  /** Replaces entry/*.S: the user's own entry code. */
  readonly entrySource?: { readonly uri: string; readonly text: string };
  readonly program: Program;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  readonly seed: number;
  /** Bytes of guest RAM. */
  readonly ramSize: number;
  /** Files of the sandboxed root, by absolute guest path. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly inject: readonly Injection[];
  /** Understands the places of injections; labels and addresses are understood without it. */
  readonly readTrigger?: TriggerReader;
}
