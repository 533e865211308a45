/**
 * Where a call comes back to, known among its like: recursion and signal handlers come by the same address, on this stack or another. Which
 * of two stack pointers is the higher says nothing of that where stacks change; whether the frame still waits among the callers does.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import { linearSp } from "./code.ts";
import { callStack } from "./stack.ts";
import type { Target } from "./target.ts";

/** The most that a return may take off the stack besides. */
const MOST_POPPED = 0xffff;
/** Callers that are looked at; among more, the order of the stack is believed. */
const MOST_CALLERS = 32;

export class ReturnPoint {
  readonly address: Addr;
  readonly #target: Target;
  readonly #sp: Addr;
  /** The stack from here up to the frame's own pointer is known to be what it has called. */
  #deepest: Addr;
  /** Other stack pointers at the address with which the frame is not back. */
  readonly #elsewhere = new Set<Addr>();

  /** @param sp of the frame once it is back; a return that takes arguments off leaves more. */
  constructor(target: Target, address: Addr, sp: Addr) {
    this.#target = target;
    this.address = address;
    this.#sp = sp;
    this.#deepest = sp;
  }

  /** Of a CPU at the address. */
  isReached(cpu: Cpu): boolean {
    const sp = linearSp(cpu);
    if (sp === this.#sp) return true;
    if ((sp >= this.#deepest && sp < this.#sp) || this.#elsewhere.has(sp)) return false;
    if (!this.#waitsBehind(cpu, sp)) return true;
    if (sp < this.#sp) this.#deepest = sp;
    else this.#elsewhere.add(sp);
    return false;
  }

  /** Whether the frame is among the callers. */
  #waitsBehind(cpu: Cpu, now: Addr): boolean {
    const callers = callStack(this.#target, cpu, MOST_CALLERS).slice(1);
    if (callers.some(({ address, sp }) => address === this.address && this.#isOurs(sp, now))) return true;
    const isWhole = callers.length < MOST_CALLERS - 1 && !callers.some(({ found }) => found === "call site");
    return !isWhole && now < this.#sp;
  }

  #isOurs(sp: Addr, now: Addr): boolean {
    return sp === this.#sp || (now < this.#sp && sp > this.#sp && sp - this.#sp <= MOST_POPPED);
  }
}
