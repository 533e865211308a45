/**
 * What an up-call has done so far when it cannot finish: it asked for a copy from or to user memory, which is guest code, or slept in
 * between. The up-call is made again afterwards, goes the same way, and finds the results of the steps it has taken. Plain data in
 * the task; an up-call that ends leaves nothing.
 */
import type { Cpu } from "../cpu/cpu.ts";
import { OFF } from "../cpu/layout.ts";
import type { Addr } from "../cpu/state.ts";
import type { Task } from "./state.ts";

/** The guest's function for a copy, a symbol of usercopy_64.S and usercopy_32.S. */
export type CopyFunction =
  | "raw_copy_from_user"
  | "raw_copy_to_user"
  | "clear_user"
  | "strncpy_from_user"
  | "get_user_4"
  | "get_user_8"
  | "put_user_4"
  | "put_user_8";

export interface CopyStep {
  readonly kind: "copy";
  readonly function: CopyFunction;
  readonly user: Addr;
  readonly size: number;
  /** Bytes done, and bytes that the guest was asked for and has not been looked at. */
  done: number;
  asked: number;
  /** There is nothing left to ask for. */
  finished: boolean;
  /** Of a copy from user memory: what has come. */
  parts: Uint8Array[];
}
/** Something that must not happen again, by name, with what came of it. */
interface DoneStep {
  readonly kind: "done";
  readonly what: string;
  readonly value: unknown;
}
type Step = CopyStep | DoneStep;

export interface Unfinished {
  /** The up-call, and the stack pointer of its stub: which call it was. */
  readonly name: string;
  readonly sp: number;
  readonly steps: Step[];
}

/** Thrown out of an up-call: the guest has a copy to make first. */
export class UserCopyRequest {}

/** Low half of the stack pointer: kernel stacks are apart in it. */
const stackPointer = (cpu: Cpu): number => cpu.get32(OFF.GPR + 4 * 8) >>> 0;

/** An up-call at work for a task. */
export class UpcallRun {
  readonly cpu: Cpu;
  readonly task: Task;
  readonly name: string;
  /** It was begun before. */
  readonly resumed: boolean;
  readonly #steps: Step[];
  #cursor = 0;

  constructor(cpu: Cpu, task: Task, name: string) {
    this.cpu = cpu;
    this.task = task;
    this.name = name;
    const sp = task.unfinished === undefined ? 0 : stackPointer(cpu);
    const known = task.unfinished?.find((call) => call.sp === sp && call.name === name);
    this.resumed = known !== undefined;
    this.#steps = known?.steps ?? [];
  }

  /** The next step is this copy: as it was left, or a new one. */
  copy(fn: CopyFunction, user: Addr, size: number): CopyStep {
    const known = this.#steps[this.#cursor];
    if (known?.kind === "copy" && known.function === fn && known.user === user && known.size === size) {
      this.#cursor++;
      return known;
    }
    const step: CopyStep = { kind: "copy", function: fn, user, size, done: 0, asked: 0, finished: false, parts: [] };
    this.#replace(this.#cursor, step);
    return step;
  }

  /** `body` once; it may copy, and what it does beyond that comes after its last copy. `keep`: whether the result stands. */
  once<T>(what: string, body: () => T, keep: (value: T) => boolean): T {
    const at = this.#cursor;
    const known = this.#steps[at];
    if (known?.kind === "done" && known.what === what) {
      this.#cursor++;
      return known.value as T;
    }
    const value = body();
    if (keep(value)) this.#replace(at, { kind: "done", what, value });
    return value;
  }

  /** What the first step was, if it was done once before. */
  first(what: string): unknown {
    const [step] = this.#steps;
    return step?.kind === "done" && step.what === what ? step.value : undefined;
  }
  /** As if the up-call had just begun: what follows has steps of its own. */
  forget(): void {
    this.#steps.length = 0;
    this.#cursor = 0;
  }

  /** Leaves the steps in the task for the next time, or takes them away. */
  leave(unfinished: boolean): void {
    if (!unfinished && !this.resumed) return;
    const sp = stackPointer(this.cpu);
    // calls deeper in the stack than this one are over
    const others = (this.task.unfinished ?? []).filter((call) => call.sp > sp);
    const all = unfinished ? [...others, { name: this.name, sp, steps: this.#steps }] : others;
    if (all.length > 0) this.task.unfinished = all;
    else delete this.task.unfinished;
  }

  #replace(at: number, step: Step): void {
    this.#steps.length = at;
    this.#steps.push(step);
    this.#cursor = at + 1;
  }
}
