/** One batch: sequences that one program holds, what our processor did with them, and what the tracer has to know. */
import type { Entry } from "./entries.ts";
import {
  type Bits,
  CODE_SIZE,
  DATA_SIZE,
  MAX_CHANGES,
  MAX_STEPS,
  NO_LOAD,
  READ_ONLY_SIZE,
  RESULT,
  RESULT_WORDS,
  STATE_WORDS,
  STEP,
  STEP_WORDS,
} from "./layout.ts";
import { elfOf } from "./program.ts";

export class Batch {
  readonly bits: Bits;
  /** Which one of a run: with the run's seed, all that is needed to make it again. */
  number = 0;
  count = 0;
  /** Steps that are not set-up moves. */
  instructions = 0;
  loadCount = 0;
  adoptedCount = 0;
  changeCount = 0;
  readonly steps = new Int32Array(MAX_STEPS * STEP_WORDS);
  readonly loads = new Int32Array(MAX_STEPS * STATE_WORDS);
  readonly adopted = new Uint32Array(MAX_CHANGES);
  readonly results = new Int32Array(MAX_STEPS * RESULT_WORDS);
  readonly changes = new Uint32Array(MAX_CHANGES);
  readonly image = new Uint8Array(DATA_SIZE);
  readonly readOnly = new Uint8Array(READ_ONLY_SIZE);
  readonly code = new Uint8Array(CODE_SIZE);
  /** By step: what was generated, or undefined for a set-up move; the sequence's first step; why ours raised an exception. */
  readonly entries: (Entry | undefined)[] = [];
  readonly first: number[] = [];
  readonly why: string[] = [];
  /** By step: bytes of memory that are the processor's own choice, as a range of `adopted`. */
  readonly foreignAt: number[] = [];
  readonly foreignCount: number[] = [];

  /** Sequences whose last state was another when they were run at once: first and last step, and a word of the state that differs. */
  readonly atOnce: { readonly first: number; readonly step: number; readonly word: number }[] = [];

  constructor(bits: Bits) {
    this.bits = bits;
  }

  clear(number: number): void {
    this.number = number;
    this.count = this.instructions = this.loadCount = this.adoptedCount = this.changeCount = 0;
    this.code.fill(0xf4);
    this.atOnce.length = 0;
  }

  /** Is there room for another sequence? */
  get full(): boolean {
    return this.count > MAX_STEPS - 256 || this.changeCount > MAX_CHANGES / 2;
  }

  addStep(first: boolean): number {
    const i = this.count++;
    this.steps.fill(0, i * STEP_WORDS, (i + 1) * STEP_WORDS);
    this.steps[i * STEP_WORDS + STEP.LOAD] = NO_LOAD;
    this.first[i] = first ? i : this.first[i - 1]!;
    this.entries[i] = undefined;
    this.why[i] = "";
    this.foreignAt[i] = this.foreignCount[i] = 0;
    return i;
  }

  /** A field of what our processor did in step `i`. */
  result(i: number, field: number): number {
    return this.results[i * RESULT_WORDS + field]!;
  }
  state(i: number, field: number): number {
    return this.results[i * RESULT_WORDS + RESULT.STATE + field]!;
  }
  /** Low half of the address of step `i`. */
  ip(i: number): number {
    return this.steps[i * STEP_WORDS + STEP.IP]! >>> 0;
  }

  elf(): Uint8Array {
    return elfOf(this.code, this.image, this.readOnly);
  }
}
