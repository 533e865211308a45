/** What the call stack says of where the kernel will go on, other than where it was entered: to be seen when it does. */
import type { Frame } from "../../../src/adapter/debug/stack.ts";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { isV86 } from "../../../src/emu/cpu/system/predicates.ts";

interface Moved {
  readonly place: string;
  readonly text: string;
  readonly to: number;
  /** The call stack that says so. */
  readonly frames: readonly Frame[];
}

/** Of code in v8086 mode: the kernel may leave that mode instead, and hand over what was to go on there. */
const isOfV86 = ({ to, frames }: Moved): boolean => frames.some(({ address, v86 }) => v86 && address === to);

export class MovedOn {
  #pending: Moved[] = [];

  expect(moved: Moved): void {
    this.#pending.push(moved);
  }

  /** Another task runs first. */
  forget(): void {
    this.#pending = [];
  }

  /** What was said and has not come true, now that the CPU is in user mode: it has not been where it was to go on. */
  settle(cpu: Cpu): readonly Moved[] {
    const open = this.#pending.filter(({ to }) => to !== cpu.linearIp);
    this.#pending = cpu.cpl === 3 ? [] : open;
    return cpu.cpl === 3 ? open.filter((moved) => isV86(cpu) || !isOfV86(moved)) : [];
  }
}
