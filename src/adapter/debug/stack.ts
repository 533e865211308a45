/**
 * The call stack: the running code and its callers (unwind/callers.ts), across kernel entries, signal handlers and changes of mode. It may
 * be as deep as the program's recursion, so frames are found as they are asked for.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { GPR } from "../../emu/cpu/layout.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import type { LineSpan } from "./symbols.ts";
import type { Target } from "./target.ts";
import { callerOf, type Found, type Link } from "./unwind/callers.ts";
import { isRestorer } from "./unwind/follow.ts";
import { Place } from "./unwind/place.ts";
import { upcallEffects } from "./unwind/upcalls.ts";

export interface Frame {
  readonly address: Addr;
  /** Once the frames above have returned. */
  readonly sp: Addr;
  readonly bits: 16 | 32 | 64;
  readonly cpl: number;
  readonly v86: boolean;
  /** `name+0x12`, or the address where nothing is near. */
  readonly name: string;
  readonly line: LineSpan | undefined;
  readonly found: Found;
  readonly by: Link;
  /** Whether the frame's registers are the CPU's own: the frame that a CPU runs. */
  readonly current: boolean;
  /** The code that was interrupted by the entry that the kernel is in: its registers are in pt_regs. */
  readonly interrupted: boolean;
  /** What is known of its registers. */
  readonly place: Place;
}

/** Frames shown at most: recursion without an end goes on for as long as there is stack. */
export const MOST_FRAMES = 100_000;

/** Frames found where nobody says how many are wanted. */
export const MOST_AT_ONCE = 1000;

/** The innermost frames. */
export const callStack = (target: Target, cpu: Cpu, most = MOST_AT_ONCE): Frame[] =>
  new CallStack(target, cpu).first(most);

export class CallStack {
  readonly #frames: Frame[] = [];
  readonly #rest: Iterator<Frame>;
  #ended = false;

  constructor(target: Target, cpu: Cpu) {
    this.#rest = framesOf(target, cpu);
  }

  /** The innermost `count` frames, or as many as there are. */
  first(count: number): Frame[] {
    while (!this.#ended && this.#frames.length < count) {
      const { done, value } = this.#rest.next();
      if (done !== true) this.#frames.push(value);
      this.#ended = done === true || this.#frames.length === MOST_FRAMES;
    }
    return this.#frames.slice(0, count);
  }

  at(index: number): Frame | undefined {
    return this.first(index + 1)[index];
  }

  /** Frames found so far. */
  get found(): number {
    return this.#frames.length;
  }
}

function* framesOf(target: Target, cpu: Cpu): Generator<Frame> {
  const running = isStandIn(target, cpu) ? savedPlace(cpu) : Place.of(cpu);
  running.effects = upcallEffects(target, running);
  let frame = frameAt(target, running, "running", "code");
  yield frame;
  let interrupted = false;
  const seen = new Set<string>();
  for (;;) {
    const caller = callerOf(target, frame);
    if (caller === undefined || comesAgain(seen, caller.to)) return;
    const next: Frame = frameAt(target, caller.to, caller.kind, caller.found);
    // the first user code behind kernel code
    const isInterrupted: boolean = !interrupted && next.cpl === 3 && frame.cpl < 3;
    interrupted ||= isInterrupted;
    frame = isInterrupted ? { ...next, interrupted: true } : next;
    yield frame;
  }
}

/** Nobody is called by himself with the stack as it was. */
function comesAgain(seen: Set<string>, { address, sp }: Place): boolean {
  const key = `${address} ${sp}`;
  if (seen.has(key)) return true;
  seen.add(key);
  return false;
}

/** Only a stand-in is beyond the machine's CPUs. */
const isStandIn = ({ machine }: Target, cpu: Cpu): boolean => cpu.index >= machine.cpus.length;

/** Of a task that no CPU runs only the stack pointer is known: the rest is on the stack. */
function savedPlace(cpu: Cpu): Place {
  const place = Place.of(cpu);
  place.forget(new Set([GPR.RSP]));
  return place;
}

function frameAt(target: Target, place: Place, by: Frame["by"], found: Frame["found"]): Frame {
  const { address, mode } = place;
  const symbols = target.symbols(place.cpu);
  // a caller stands behind its call, which may be the last instruction of its line and function; a signal's restorer has called nobody
  const isCaller = (by === "return" || by === "far") && !(symbols.nearest(address)?.offset === 0 && isRestorer(place));
  const behindCall = isCaller ? 1 : 0;
  const near = symbols.nearest(address - behindCall);
  const name =
    near === undefined
      ? `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`
      : withOffset(near.name, near.offset + behindCall);
  const line = symbols.lineAt(address - behindCall);
  const { bits } = mode.code;
  const { cpl, v86 } = mode;
  const current = by === "running" && !isStandIn(target, place.cpu);
  return { address, sp: place.sp ?? 0, bits, cpl, v86, name, line, found, by, current, interrupted: false, place };
}

const withOffset = (name: string, offset: number): string => (offset === 0 ? name : `${name}+0x${offset.toString(16)}`);
