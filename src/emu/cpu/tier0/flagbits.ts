/**
 * Flags that are single bits of words that are there already (CF and OF of shifts, rotates and bit tests): found by following a bit
 * through the tree of values, so that the tree itself need not be computed.
 */
import type { Statement, Type, Value } from "../ir/types.ts";
import { ARITH_FLAGS, EFLAGS } from "../layout.ts";

/** Bit `shift` of the low or high word of a register or temporary. */
export interface Bit {
  readonly of: Value;
  readonly word: 0 | 1;
  readonly shift: number;
}
type FlagBits = Extract<Statement, { op: "flagbits" }>;
/** CF and OF, each the exclusive or of these; every other flag of the mask becomes 0. */
export interface PlainBits extends FlagBits {
  readonly cf: readonly Bit[];
  readonly of: readonly Bit[];
}
export const isPlain = (s: Statement | undefined): s is PlainBits => s?.op === "flagbits" && "cf" in s;

const OF_BIT = 11;
const NOTHING: Value = { op: "const", type: 32, low: 0, high: 0 };

/** Rewrites those flagbits statements whose bits can be followed. No register may have been written before them. */
export function plainFlagBits(statements: readonly Statement[]): readonly Statement[] {
  const made = new Map<number, Value>();
  let written = false;
  return statements.map((s) => {
    if (s.op === "let") made.set(s.temp, s.value);
    if (s.op === "setreg") written = true;
    return s.op === "flagbits" && !s.when && !written ? (plain(s, made) ?? s) : s;
  });
}

function plain(s: FlagBits, made: ReadonlyMap<number, Value>): PlainBits | undefined {
  if (s.mask & ~ARITH_FLAGS) return undefined;
  let cf: readonly Bit[] = [];
  let of: readonly Bit[] = [];
  for (let bit = 0; bit <= OF_BIT; bit++) {
    if (!(s.mask & (1 << bit))) continue;
    const found = follow(s.value, bit, made);
    if (found === undefined || found.length > 2) return undefined;
    if (1 << bit === EFLAGS.CF) cf = found;
    else if (1 << bit === EFLAGS.OF) of = found;
    else if (found.length > 0) return undefined;
  }
  return { ...s, value: NOTHING, cf, of };
}

const widthOf = (type: Type): number => type;

/** The bits whose exclusive or is bit `bit` of a value: none = it is 0; undefined = not to be said like this. */
function follow(v: Value, bit: number, made: ReadonlyMap<number, Value>): readonly Bit[] | undefined {
  const width = widthOf(v.type);
  if (bit >= width) return [];
  const go = (to: Value, at: number) => follow(to, at, made);
  switch (v.op) {
    case "const":
      return (((bit < 32 ? v.low : v.high) >>> (bit & 31)) & 1) === 0 ? [] : undefined;
    case "reg":
      if (v.size < 32) return undefined;
      return [{ of: v, word: bit < 32 ? 0 : 1, shift: bit & 31 }];
    case "temp": {
      const inner = made.get(v.index);
      const known = inner && isThrough(inner) ? go(inner, bit) : undefined;
      return known ?? [{ of: v, word: bit < 32 ? 0 : 1, shift: bit & 31 }];
    }
    case "low":
      return go(v.a, bit);
    case "high":
      return go(v.a, bit + 32);
    case "extend":
      return bit < 32 || v.signed ? go(v.a, Math.min(bit, 31)) : [];
    case "and":
      if (v.b.op !== "const") return undefined;
      return (((bit < 32 ? v.b.low : v.b.high) >>> (bit & 31)) & 1) === 0 ? [] : go(v.a, bit);
    case "xor": {
      const [a, b] = [go(v.a, bit), go(v.b, bit)];
      return a && b && [...a, ...b];
    }
    case "or": {
      const [a, b] = [go(v.a, bit), go(v.b, bit)];
      if (a?.length === 0) return b;
      return b?.length === 0 ? a : undefined;
    }
    case "shl":
    case "shr":
    case "sar": {
      if (v.b.op !== "const") return undefined;
      const by = v.b.low & (width - 1);
      if (v.op === "shl") return bit < by ? [] : go(v.a, bit - by);
      if (bit + by < width) return go(v.a, bit + by);
      return v.op === "sar" ? go(v.a, width - 1) : [];
    }
    default:
      return undefined;
  }
}

/** Values that only move bits: worth following instead of being computed. */
const isThrough = ({ op }: Value): boolean =>
  op === "low" ||
  op === "high" ||
  op === "and" ||
  op === "or" ||
  op === "xor" ||
  op === "shl" ||
  op === "shr" ||
  op === "sar";
