/**
 * Who called? The code itself knows: it is followed from where it stands to the return that ends the function, without running it,
 * and what that return would find on the stack is the caller. Where a branch could go either way both ways are tried. A return to
 * where no call has been is a jump. Of code with a stack pointer that cannot be told, nothing is found.
 */
import type { Known } from "../../../emu/cpu/ir/foresee.ts";
import { GPR } from "../../../emu/cpu/layout.ts";
import type { Addr } from "../../../emu/cpu/state.ts";
import { isBehindCall } from "./calls.ts";
import type { Return } from "./far-returns.ts";
import type { Place } from "./place.ts";
import { stepOn } from "./step.ts";

/** Instructions looked at before giving up, over all paths. */
const MOST_INSTRUCTIONS = 4000;
/** Ways of a branch still to be tried. */
const MOST_PATHS = 100;

/**
 * The caller of the code at `from`; undefined if following it does not tell. What is known of memory may keep a path in a loop for ever: if
 * all paths have come to an end without a return, they are followed once more with memory doubted, and those of a program with all branches
 * going both ways.
 */
export function follow(from: Place): Return | undefined {
  const found =
    followOnce(from) ??
    followOnce(from.doubting()) ??
    (from.mode.cpl === 3 ? followOnce(from.doubting().undecided()) : undefined);
  return found === "too long" ? undefined : found;
}

/** undefined: all paths have ended. */
const followOnce = (from: Place): Return | "too long" | undefined =>
  walk(from, {
    ended: (place, step) => (isJump(place, step) ? { onwards: step.to } : { found: step }),
  });

/**
 * How code at `start` gets to where `there` is without returning, its stack pointer and frame pointer then being the same; undefined if it does
 * not. A jump through a table may have led there, or to where the function begins that this is in (a tail call). What memory and other
 * registers hold by then is not known.
 */
export function wayTo(start: Place, there: Place, entry: Addr | undefined): Place | undefined {
  const [sp, bp] = [there.regs[GPR.RSP], there.regs[GPR.RBP]];
  const agrees = ({ regs, calls }: Place) =>
    calls.length === 0 && regs[GPR.RSP] === sp && (bp === undefined || (regs[GPR.RBP] ?? bp) === bp);
  const look: Walk<Place> = {
    reached: (place) => (place.address === there.address && agrees(place) ? place : undefined),
    lost: (place) => {
      if (agrees(place)) return { found: place };
      return entry === undefined ? undefined : { onwards: place.goneTo(entry) };
    },
    ended: (place, step) => (isJump(place, step) ? { onwards: step.to } : undefined),
  };
  const arrived = walk(start, look) ?? walk(start.undecided(), look);
  return arrived === "too long" ? undefined : arrived;
}

type End<T> = { readonly onwards: Place } | { readonly found: T } | undefined;

/** What becomes of paths; what is not said, or undefined, ends one. */
interface Walk<T> {
  /** What is looked for, once a path has come to it. */
  readonly reached?: (place: Place) => T | undefined;
  /** A jump to nobody knows where. */
  readonly lost?: (place: Place) => End<T>;
  readonly ended?: (place: Place, step: Return) => End<T>;
}

/** Goes all the ways that code may go; undefined: all have ended. */
function walk<T>(from: Place, { reached, lost, ended }: Walk<T>): T | "too long" | undefined {
  const paths = [from.copy()];
  const seen: Seen = new Map();
  let left = MOST_INSTRUCTIONS;
  for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
    let place: Place = path;
    for (; left > 0 && isNew(seen, place); left--) {
      const found = reached?.(place);
      if (found !== undefined) return found;
      const step = stepOn(place);
      if (step === undefined) break;
      if (step.kind === "on") {
        if (step.other !== undefined && paths.length < MOST_PATHS) paths.push(step.other);
        continue;
      }
      const end = step.kind === "lost" ? lost?.(place) : ended?.(place, step);
      if (end === undefined) break;
      if ("found" in end) return end.found;
      place = end.onwards;
    }
    if (left === 0) return "too long";
  }
  return undefined;
}

/** How often each instruction was met, by stack pointer. */
type Seen = Map<Addr, Map<Known, number>>;

/** A loop is gone through twice: the second time it may be known that there is nothing left to do. */
const ROUNDS = 2;

function isNew(seen: Seen, { address, regs }: Place): boolean {
  const sp = regs[GPR.RSP];
  const pointers = seen.get(address);
  const met = pointers?.get(sp) ?? 0;
  if (pointers === undefined) seen.set(address, new Map([[sp, 1]]));
  else if (met < ROUNDS) pointers.set(sp, met + 1);
  return met < ROUNDS;
}

const NEAR_AND_FAR: ReadonlySet<string> = new Set(["return", "far"]);

/** Only returns within a privilege level are used to jump. */
const isJump = (from: Place, { kind, to }: Return): boolean =>
  NEAR_AND_FAR.has(kind) && to.mode.cpl === from.mode.cpl && !isBehindCall(to) && !isRestorer(to);

/** Steps that a handler's return takes to its system call: "pop eax; mov eax, 119; int 0x80" is the longest. */
const RESTORER_STEPS = 3;

/** Bytes of "mov eax, number" or "mov rax, number" and the system call behind it. */
const RESTORER_BYTES = [7n, 9n];

/** Of user code that waits behind its system call: that of a signal's restorer, which will not come back there, begins again. */
export function behindSystemCall(place: Place): Place {
  const starts = RESTORER_BYTES.map((bytes) => place.at(place.mode, place.ip - bytes));
  return starts.find(isRestorer) ?? place;
}

/** The code that ends a signal handler, which the kernel made it return to. */
export function isRestorer(to: Place): boolean {
  const place = to.copy();
  for (let i = 0; i < RESTORER_STEPS; i++) {
    const step = stepOn(place);
    if (step?.kind === "signal") return true;
    if (step?.kind !== "on" || step.other !== undefined) return false;
  }
  return false;
}
