/** The oracle itself: batches of random sequences through our processor and the host's, which work at the same time. */
import type { Vendor } from "../../../src/emu/cpu/cpu.ts";
import { Mnemonic } from "../../../src/emu/cpu/iced.ts";
import type { Insn } from "../../../src/emu/cpu/operation.ts";
import { UNIMPLEMENTED } from "../../../src/emu/cpu/ops/core.ts";
import { operationOf } from "../../../src/emu/cpu/ops/index.ts";
import { Batch } from "./batch.ts";
import { Builder } from "./builder.ts";
import { Comparison, type Mismatch } from "./compare.ts";
import { type Form, formsFor } from "./forms.ts";
import { hostExecutes, hostVendor } from "./host.ts";
import type { Bits } from "./layout.ts";
import type { Native, Outcome } from "./native.ts";
import { report } from "./report.ts";

export interface Options {
  readonly bits: Bits;
  readonly instructions: number;
  readonly seed: number;
  readonly vendor: Vendor;
  /** Only these mnemonics (iced's names). */
  readonly only?: RegExp | undefined;
  /** Only this batch. */
  readonly batch?: number | undefined;
  /** Stop at so many differences. */
  readonly limit: number;
  readonly progress?: (compared: number, differences: number) => void;
  /** Called with each difference at once. */
  readonly found?: (name: string, text: string) => void;
}

export interface Report {
  /** Generated instructions that were compared; set-up moves between them. */
  readonly compared: number;
  readonly setUps: number;
  /** How often each mnemonic was compared. */
  readonly covered: ReadonlyMap<string, number>;
  /** Mnemonics left out because this host has not got them. */
  readonly absent: readonly string[];
  /** Each difference as text, with how to make it again. */
  readonly differences: readonly { readonly name: string; readonly text: string }[];
}

/** Instructions of a batch; its code has to fit into one 64 KiB window. */
const BATCH = 5000;

export function implemented(mnemonic: number): boolean {
  const probe = { mnemonic, code: 0, ops: [] } as unknown as Insn;
  return mnemonic !== Mnemonic.INVALID && operationOf(probe) !== UNIMPLEMENTED;
}

class Run {
  private readonly options: Options;
  private readonly native: Native;
  private readonly forms: readonly Form[];
  private readonly absent: readonly string[];
  private readonly builder: Builder;
  private readonly covered = new Map<string, number>();
  private readonly differences: { name: string; text: string }[] = [];
  private compared = 0;
  private setUps = 0;

  constructor(options: Options, native: Native) {
    const { bits, seed, vendor, only } = options;
    this.options = options;
    this.native = native;
    const all = formsFor(bits, implemented).filter((form) => !only || only.test(form.mnemonic));
    const executes = hostExecutes();
    this.forms = all.filter((form) => executes(form.code));
    this.absent = [...new Set(all.map((form) => form.mnemonic))].filter(
      (name) => !this.forms.some((form) => form.mnemonic === name),
    );
    if (this.forms.length === 0) throw new Error("no instruction form is left to try");
    this.builder = new Builder({ bits, seed, vendor, host: hostVendor(), forms: this.forms });
  }

  /** Builds a batch while the host runs the one before. */
  async all(): Promise<Report> {
    const { bits, instructions, limit } = this.options;
    const batches = [new Batch(bits), new Batch(bits)] as const;
    let running: { readonly batch: Batch; readonly outcome: Promise<Outcome> } | undefined;
    let planned = 0;
    const first = this.options.batch ?? 0;
    for (let number = first; planned < instructions && this.differences.length < limit; number++) {
      const batch = batches[number & 1]!;
      this.builder.build(batch, number, Math.min(BATCH, instructions - planned));
      planned += batch.instructions;
      if (running) this.compare(running.batch, await running.outcome);
      running = { batch, outcome: this.native.run(batch) };
      if (this.options.batch !== undefined) break;
    }
    if (running) this.compare(running.batch, await running.outcome);
    const { compared, setUps, covered, absent } = this;
    return { compared, setUps, covered, absent, differences: this.differences.slice(0, limit) };
  }

  private compare(batch: Batch, outcome: Outcome): void {
    for (const mismatch of new Comparison(batch, outcome).mismatches()) this.note(batch, mismatch);
    for (let i = 0; i < batch.count; i++) {
      const name = batch.entries[i]?.name;
      if (name !== undefined) this.covered.set(name, (this.covered.get(name) ?? 0) + 1);
    }
    this.compared += batch.instructions;
    this.setUps += batch.count - batch.instructions;
    this.options.progress?.(this.compared, this.differences.length);
  }

  private note(batch: Batch, mismatch: Mismatch): void {
    const name = batch.entries[mismatch.step]?.name ?? "set-up move";
    const text = report(batch, mismatch, this.options);
    this.differences.push({ name, text });
    this.options.found?.(name, text);
  }
}

export const lockstep = (options: Options, native: Native): Promise<Report> => new Run(options, native).all();
