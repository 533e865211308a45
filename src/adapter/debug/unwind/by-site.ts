/**
 * The caller of code whose way to a return is not told (it has none, or it goes through a table), by words on the stack that point behind a call.
 * One is confirmed if the code that it calls leads here with the stack pointer as it is: the way in then says what the way out does not.
 */

import type { Known } from "../../../emu/cpu/ir/foresee.ts";
import { GPR } from "../../../emu/cpu/layout.ts";
import { type Addr, isCanonical } from "../../../emu/cpu/state.ts";
import { type CallSite, callSites } from "./calls.ts";
import { wayTo } from "./follow.ts";
import type { Place } from "./place.ts";

/** Stack words looked at, and those behind a call. */
const WORDS = 512;
const MOST_SITES = 24;

interface Where {
  readonly isCode: (address: Addr) => boolean;
  /** Where the function seems to begin. */
  readonly entry: Addr | undefined;
  /** Stack words from there on belong to nobody. */
  readonly end: Addr | undefined;
}

interface Candidate {
  /** From the stack pointer. */
  readonly offset: number;
  readonly word: bigint;
  readonly entry: Addr | undefined;
}

export function callerBySite(
  from: Place,
  where: Where,
): { readonly to: Place; readonly confirmed: boolean } | undefined {
  const candidates = candidatesOn(from, where);
  // calls of what this seems to be are the likelier ones
  const ours = candidates.filter(({ entry }) => entry === where.entry);
  const others = candidates.filter((candidate) => !ours.includes(candidate));
  for (const candidate of [...ours, ...others.slice(0, MOST_OTHERS)]) {
    const way = wayIn(from, candidate, where.entry);
    if (way !== undefined) return { to: behind(from, candidate, way), confirmed: true };
  }
  const guess = ours[0] ?? others[0];
  return guess && { to: behind(from, guess, undefined), confirmed: false };
}

/** Calls of something else that may have jumped here. */
const MOST_OTHERS = 2;

const wayIn = (
  from: Place,
  { entry: start, offset }: Pick<Candidate, "entry" | "offset">,
  entry: Addr | undefined,
): Place | undefined => (start === undefined ? undefined : wayTo(from.unknownAt(start, offset), from, entry));

/**
 * Whether the call that `to` is behind may have led to `from`: a path that ran over a call that does not return, into the next function, has
 * found a return of somebody else.
 */
export function hasCalled(to: Place, from: Place, entry: Addr | undefined): boolean {
  const [top, now] = [to.regs[GPR.RSP], from.regs[GPR.RSP]];
  const sites = callSites(to.cpu, to.address, to.mode.code.bits);
  if (
    sites.length === 0 ||
    top === undefined ||
    now === undefined ||
    sites.some(({ target }) => target === undefined || target === entry)
  )
    return true;
  const offset = Number(BigInt.asIntN(from.mode.stack.bits, top - now)) - wordOf(from);
  return sites.some(({ target }) => wayIn(from, { entry: target, offset }, entry) !== undefined);
}

function behind(from: Place, { offset, word }: Candidate, way: Place | undefined): Place {
  const to = from.at(from.mode, word);
  to.release(offset + wordOf(from));
  to.forget(new Set([GPR.RSP]));
  if (way !== undefined) to.regs[GPR.RBP] = callersFramePointer(from, way, offset - wordOf(from));
  return to;
}

const wordOf = ({ mode }: Place) => (mode.code.bits / 8) as 2 | 4 | 8;

/** Where a function has its own frame pointer, the caller's is right below the return address, where that points; where it has none, it is still there. */
function callersFramePointer(from: Place, way: Place, saved: number): Known {
  const sp = from.regs[GPR.RSP]!;
  const bp = way.regs[GPR.RBP];
  return bp === sp + BigInt(saved) ? from.stackWord(saved, wordOf(from)) : bp;
}

function candidatesOn(from: Place, { isCode, entry, end }: Where): Candidate[] {
  const { sp, mode, cpu } = from;
  const width = wordOf(from);
  const found: Candidate[] = [];
  if (sp === undefined) return found;
  const most = Math.min(WORDS, Math.ceil(((end ?? Number.POSITIVE_INFINITY) - sp) / width));
  for (const [i, word] of from.stackWords(Math.max(0, most), width).entries()) {
    if (found.length === MOST_SITES) break;
    if (word === undefined || (mode.code.bits === 64 && !isAddress(word))) continue;
    const address = from.addressOf(word);
    if (!isCode(address)) continue;
    const [first, ...rest] = callSites(cpu, address, mode.code.bits);
    const site: CallSite | undefined = rest.find(({ target }) => target === entry) ?? first;
    // a call through a register may well be one of this
    if (site !== undefined) found.push({ offset: i * width, word, entry: site.target ?? entry });
  }
  return found;
}

const isAddress = (word: bigint): boolean => isCanonical(Number(BigInt.asIntN(32, word >> 32n)));
