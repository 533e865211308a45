/**
 * The Kernel State view's contents, and the history behind "last changed": every event is an occasion to compare thread_info's
 * words with what they were, and a difference belongs to the up-call or code that ran last.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { EFLAGS } from "../../emu/cpu/layout.ts";
import { bigToAddr } from "../../emu/cpu/state.ts";
import type { MachineEvent } from "../../emu/machine/types.ts";
import { hex, hexAddr } from "./format.ts";
import type { Observer } from "./history.ts";
import { kernelReference } from "./kernel-fields.ts";
import { meaningOf } from "./kernel-meanings.ts";
import { codeBits } from "./registers.ts";
import type { KernelAccess, Target } from "./target.ts";
import type { EntryRecord, ExitRecord, FlagBit, KernelState, LastChange, StatusField } from "./views.ts";

const WORDS = ["status", "flags", "syscall_work"] as const;
type Word = (typeof WORDS)[number];

export class KernelHistory implements Observer {
  readonly #target: Target;
  readonly #kernel: KernelAccess;
  #words = new Map<Word, bigint>();
  #changes = new Map<string, LastChange>();
  #lastUpcall = "";
  lastEntry: MachineEvent | undefined;
  /** The system call of the last entry, if it was one. */
  lastSyscall: MachineEvent | undefined;
  lastExit: MachineEvent | undefined;

  constructor(target: Target, kernel: KernelAccess) {
    this.#target = target;
    this.#kernel = kernel;
    target.machine.events.listen((event) => this.#see(event));
  }

  #see(event: MachineEvent): void {
    this.compare(event.icount);
    if (event.type === "upcall") this.#lastUpcall = String(event.name);
    if (event.type === "entry") {
      this.lastEntry = event;
      this.lastSyscall = undefined;
    }
    if (event.type === "syscall-enter") this.lastSyscall = event;
    if (event.type === "exit" && event.toCpl === 3) this.lastExit = event;
  }

  /** Notes which bits differ from when they were last looked at. */
  compare(icount: number): void {
    const cpu = this.#target.machine.currentCpu;
    for (const word of WORDS) {
      const value = kernelReference(this.#kernel, cpu, `thread_info.${word}`)?.read();
      const before = this.#words.get(word);
      if (value === undefined || value === before) continue;
      this.#words.set(word, value);
      if (before !== undefined) this.#noteBits(word, value ^ before, { icount, by: this.#lastUpcall });
    }
  }

  #noteBits(word: Word, changed: bigint, change: LastChange): void {
    for (const [name, mask] of bitsOf(this.#kernel, word)) if (changed & mask) this.#changes.set(name, change);
  }

  save(): unknown {
    const { lastEntry, lastSyscall, lastExit } = this;
    return {
      words: [...this.#words],
      changes: [...this.#changes],
      upcall: this.#lastUpcall,
      lastEntry,
      lastSyscall,
      lastExit,
    };
  }
  restore(state: unknown): void {
    const { words, changes, upcall, ...last } = state as {
      words: [Word, bigint][];
      changes: [string, LastChange][];
      upcall: string;
      lastEntry?: MachineEvent;
      lastSyscall?: MachineEvent;
      lastExit?: MachineEvent;
    };
    this.#words = new Map(words);
    this.#changes = new Map(changes);
    this.#lastUpcall = upcall;
    this.lastEntry = last.lastEntry;
    this.lastSyscall = last.lastSyscall;
    this.lastExit = last.lastExit;
  }

  lastChange(name: string): { readonly lastChanged?: LastChange } {
    const lastChanged = this.#changes.get(name);
    return lastChanged === undefined ? {} : { lastChanged };
  }
}

/** Full names and masks of the bits of one word of thread_info. */
function bitsOf({ layout }: KernelAccess, word: Word): [string, bigint][] {
  const [table, prefix] = {
    status: [layout.status, "TS_"] as const,
    flags: [layout.tif, "TIF_"] as const,
    syscall_work: [layout.syscallWork, "SYSCALL_WORK_"] as const,
  }[word];
  // thread_info.status holds masks, the others bit numbers
  if (word === "status") return Object.entries(table).map(([name, mask]) => [prefix + name, BigInt(mask)]);
  return Object.entries(table).map(([name, bit]) => [prefix + name, 1n << BigInt(bit)]);
}

export function kernelState(target: Target, kernel: KernelAccess, history: KernelHistory, cpu: Cpu): KernelState {
  history.compare(target.machine.icount);
  const read = (name: string) => kernelReference(kernel, cpu, name)?.read() ?? 0n;
  const flagBits = (table: Readonly<Record<string, number>>, prefix: string): FlagBit[] =>
    Object.entries(table).map(([short, bit]) => {
      const name = prefix + short;
      return { name, bit, set: read(name) !== 0n, meaning: meaningOf(name), ...history.lastChange(name) };
    });
  return {
    arch: kernel.layout.arch,
    preset: kernel.preset,
    task: kernel.task(cpu),
    mode: { cpl: cpu.cpl, bits: codeBits(cpu), v86: (cpu.getFlags() & EFLAGS.VM) !== 0 },
    status: Object.entries(kernel.layout.status).map(([short, mask]): StatusField => {
      const name = `TS_${short}`;
      const value = read(name) === 0n ? "0x0" : hex(mask);
      return { name, value, meaning: meaningOf(name), ...history.lastChange(name) };
    }),
    flags: flagBits(kernel.layout.tif, "TIF_"),
    syscallWork: flagBits(kernel.layout.syscallWork, "SYSCALL_WORK_"),
    ...(history.lastEntry === undefined
      ? {}
      : { lastEntry: entryRecord(target, cpu, history.lastEntry, history.lastSyscall) }),
    ...(history.lastExit === undefined ? {} : { lastExit: exitRecord(history.lastExit) }),
    ptRegs: Object.entries(kernel.layout.ptRegs).map(([name, { size }]) => ({
      name,
      value: hex(read(`pt_regs.${name}`), size * 8),
    })),
  };
}

function entryRecord(target: Target, cpu: Cpu, event: MachineEvent, syscall: MachineEvent | undefined): EntryRecord {
  const { kind, vector, fromCpl, fromIp } = event;
  const address = typeof fromIp === "string" ? bigToAddr(BigInt(fromIp)) : undefined;
  const from = address === undefined ? undefined : (target.symbols(cpu).describe(address) ?? hexAddr(address));
  return {
    icount: event.icount,
    cpu: event.cpu,
    kind: String(kind),
    ...(typeof vector === "number" ? { vector } : {}),
    ...(typeof fromCpl === "number" ? { fromCpl } : {}),
    ...(from === undefined ? {} : { from }),
    ...(syscall === undefined ? {} : { syscall: `${syscall.name} (${syscall.nr})` }),
  };
}

/** Why the exit took its instruction, in a sentence made of what the timeline recorded. */
function exitRecord(event: MachineEvent): ExitRecord {
  const instruction = String(event.instruction).toUpperCase();
  const firstFailing = event.firstFailing === undefined ? undefined : String(event.firstFailing);
  const path = Array.isArray(event.path) ? event.path.map(String) : [];
  const why =
    typeof event.why === "string"
      ? event.why
      : firstFailing !== undefined
        ? `${firstFailing} did not hold, so the fast return was not taken`
        : instruction.startsWith("IRET")
          ? "this kind of entry returns by IRET"
          : "every condition of the fast return held";
  return { icount: event.icount, instruction, why, ...(firstFailing === undefined ? {} : { firstFailing }), path };
}
