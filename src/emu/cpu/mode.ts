/**
 * The mode key: everything outside the bytes themselves that decides what decoded code means. Decoded blocks are found by it, so two
 * states with equal keys (and equal CS base and limit) may share code.
 */
import { CR0, EFER, EFLAGS, OFF, SEG, SEG_NULL, type SegIndex } from "./layout.ts";
import type { CpuState } from "./state.ts";

export const MODE = {
  /** 2 bits: 0 = 16, 1 = 32, 2 = 64. */
  CODE: 3,
  /** 2 bits: stack address size, coded likewise. */
  STACK: 3 << 2,
  USER: 1 << 4,
  V86: 1 << 5,
  /** CR0.PE clear. */
  REAL: 1 << 6,
  /** 32-bit segments with base 0 that permit every read and write: accesses need no check. */
  FLAT_ES: 1 << 7,
  FLAT_SS: 1 << 8,
  FLAT_DS: 1 << 9,
  /** Misaligned accesses raise #AC: CPL 3, CR0.AM and EFLAGS.AC. */
  ALIGN: 1 << 10,
  /** Only used as a block key: blocks of one instruction, with all flags live. */
  STEP: 1 << 11,
} as const;

export type Bits = 16 | 32 | 64;
const BITS: readonly Bits[] = [16, 32, 64];
export const modeBits = (mode: number): Bits => BITS[mode & 3]!;
export const modeStack = (mode: number): Bits => BITS[(mode >> 2) & 3]!;

/** Attribute bits in SegmentRegister ATTR. */
export const ATTR = { TYPE: 0xf, S: 0x10, DPL: 0x60, P: 0x80, AVL: 0x1000, L: 0x2000, D: 0x4000, G: 0x8000 } as const;

const flatBit = (seg: SegIndex): number =>
  seg === SEG.ES ? MODE.FLAT_ES : seg === SEG.SS ? MODE.FLAT_SS : seg === SEG.DS ? MODE.FLAT_DS : 0;
/** Accesses through `seg` in this mode need neither base nor limit. */
export const isFlat = (mode: number, seg: SegIndex): boolean => (mode & flatBit(seg)) !== 0;

function permitsAll(state: CpuState, seg: SegIndex): boolean {
  const attr = state.segAttr(seg);
  // Expand-up, writable data with D/G such that the limit is 4G-1.
  return state.segLimit(seg) === 0xffff_ffff && state.segBase(seg) === 0 && (attr & (SEG_NULL | 0x9e)) === 0x92;
}

/** Is the CPU in IA-32e mode (64-bit or compatibility)? */
export const longMode = (state: CpuState): boolean => (state.get32(OFF.EFER) & EFER.LMA) !== 0;

export function computeMode(state: CpuState): number {
  const cr0 = state.get32(OFF.CR0);
  const flags = state.get32(OFF.EFLAGS);
  const cpl = state.get32(OFF.CPL);
  let mode = 0;
  if (cpl === 3) mode |= MODE.USER;
  if (cpl === 3 && cr0 & CR0.AM && flags & EFLAGS.AC) mode |= MODE.ALIGN;
  if (!(cr0 & CR0.PE)) mode |= MODE.REAL;
  else if (flags & EFLAGS.VM) return mode | MODE.V86;
  const cs = state.segAttr(SEG.CS);
  if (longMode(state) && cs & ATTR.L) return mode | 2 | (2 << 2);
  if (cs & ATTR.D) mode |= 1;
  if (state.segAttr(SEG.SS) & ATTR.D) mode |= 1 << 2;
  if (permitsAll(state, SEG.ES)) mode |= MODE.FLAT_ES;
  if (permitsAll(state, SEG.SS)) mode |= MODE.FLAT_SS;
  if (permitsAll(state, SEG.DS)) mode |= MODE.FLAT_DS;
  return mode;
}

/** Numbers for what code was decoded under: mode, CS base and CS limit. A number always means the same; old ones may be forgotten. */
export class Contexts {
  private readonly known: { readonly mode: number; readonly base: number; readonly limit: number; number: number }[] =
    [];
  private next = 0;

  numberOf(mode: number, base: number, limit: number): number {
    const { known } = this;
    for (let i = 0; i < known.length; i++) {
      const context = known[i]!;
      if (context.mode !== mode || context.base !== base || context.limit !== limit) continue;
      if (i > 0) {
        // Those that are used keep near the front.
        known[i] = known[i - 1]!;
        known[i - 1] = context;
      }
      return context.number;
    }
    if (known.length === MOST_CONTEXTS) known.pop();
    known.push({ mode, base, limit, number: this.next });
    return this.next++;
  }
}
const MOST_CONTEXTS = 32;
