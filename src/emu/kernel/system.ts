/** A whole system: machine, kernel and program, from options to the first instruction, and what its users may ask of it. */

import type { Diagnostic } from "../../asmlang/types.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { Machine } from "../machine/machine.ts";
import type { StopReason } from "../machine/types.ts";
import type { Arch } from "./arch.ts";
import { X86_64 } from "./arch64.ts";
import { buildKernelImage } from "./boot/image.ts";
import { bootKernel, initialState } from "./boot/init.ts";
import { type Choice, chooseDesigns } from "./designs/designs.ts";
import { I386 } from "./i386/arch.ts";
import { Injections } from "./inject.ts";
import { installIrqs } from "./irq.ts";
import { Kernel } from "./kernel.ts";
import { chooseLayout } from "./layout/choose.ts";
import { ENTRY_TEXT, isIsolated } from "./mm/pti.ts";
import { SymbolTable } from "./symbols.ts";
import { installTimer } from "./task/sched.ts";
import type { SystemOptions } from "./types.ts";
import { installUpcalls } from "./upcall.ts";

const ARCHITECTURES: Readonly<Record<SystemOptions["arch"], Arch>> = { x86_64: X86_64, i386: I386 };
/** The kernel image lies at 16 MiB; below 32 MiB there is no room to live. The i386 kernel maps all its memory at once. */
const MIN_RAM = 32 * 2 ** 20;
const MAX_RAM: Readonly<Record<SystemOptions["arch"], number>> = { x86_64: 2 ** 31 - 2 ** 26, i386: 896 * 2 ** 20 };

/** What is wrong with the options, as the user's fault: one sentence, or the diagnostics of their entry code. */
export class SystemError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(message: string, diagnostics: readonly Diagnostic[] = []) {
    super(message);
    this.name = "SystemError";
    this.diagnostics = diagnostics;
  }
}

export class System {
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly symbols: SymbolTable;
  readonly #injections: Injections;

  /** @throws SystemError if an injection has no place. */
  constructor(machine: Machine, kernel: Kernel) {
    this.machine = machine;
    this.kernel = kernel;
    this.symbols = new SymbolTable(kernel);
    const injections = Injections.install(kernel, (name) => this.symbols.address(name));
    if (typeof injections === "string") throw new SystemError(injections);
    this.#injections = injections;
  }

  /** Runs at most `max` instructions, and not into a turn of the CPU `before`. After the program has ended it always says so. */
  run(max: number, before?: Cpu): StopReason {
    const { exit } = this.kernel.state;
    return exit === undefined ? this.#injections.run(max, before) : { kind: "exit", ...exit };
  }
}

/** An architecture with the layout that the designs give it. */
export function archOf(name: SystemOptions["arch"], choice: Choice): Arch {
  const own = ARCHITECTURES[name];
  const paging = (choice.hooks.pti === true ? own.isolatedPaging : undefined) ?? own.paging;
  return { ...own, paging, layout: chooseLayout(own.layout, choice) };
}

/** The symbols that the entry code is assembled with. */
export const kernelDefines = (arch: Arch, choice: Choice, cpu: Cpu): Readonly<Record<string, number | bigint>> => ({
  ...arch.layout.defines,
  ...choice.defines,
  ...arch.defines(cpu),
});

/** @throws SystemError if the options cannot be had. */
export function createSystem(options: SystemOptions): System {
  const choice = chooseDesigns(options.preset, options.designs);
  if (typeof choice === "string") throw new SystemError(choice);
  const arch = archOf(options.arch, choice);
  const { model } = options.cpu;
  if (model !== "current")
    throw new SystemError(`the ${options.arch} kernel needs a current processor: a ${model} is for arch bare`);
  const ramSize = Math.min(Math.max(options.ramSize, MIN_RAM), MAX_RAM[options.arch]);
  const machine = new Machine({ cpus: options.cpus, cpu: options.cpu, ramSize, seed: options.seed });
  const defines = kernelDefines(arch, choice, machine.cpus[0]!);
  const built = buildKernelImage(arch, defines, options.entrySource);
  if ("problems" in built) {
    const [first] = built.problems;
    throw new SystemError(`the entry code has errors: ${first?.message ?? ""}`, built.problems);
  }
  const state = initialState(arch, built.image, machine.core.ramSize, options.files);
  const kernel = new Kernel(machine, arch, choice, options, built.image, state);
  const missing = missingSymbols(kernel);
  if (missing.length > 0) throw new SystemError(`the entry code does not define ${missing.join(", ")}`);
  const problem = bootKernel(kernel);
  if (problem !== undefined) throw new SystemError(problem);
  machine.components.push(kernel, kernel.timeline);
  installUpcalls(kernel, arch.upcalls);
  installIrqs(kernel);
  installTimer(kernel);
  kernel.timeline.install();
  kernel.memory.who = "kernel";
  const system = new System(machine, kernel);
  kernel.probes.install(machine);
  return system;
}

/** Entry points that boot puts into tables; the user's own entry code must have them all. */
function missingSymbols(k: Kernel): string[] {
  const others = ["irq_entries_start", "ret_from_fork", "do_idle", "__per_cpu_offset", "__start___ex_table"];
  if (isIsolated(k)) others.push(...ENTRY_TEXT);
  return [...Object.keys(k.entries), ...others].filter((name) => !k.hasSymbol(name));
}
