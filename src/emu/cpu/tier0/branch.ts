/** Conditional branches fused with the comparison that they test: the commonest relations in one closure each. */
import type { Relation } from "../ir/types.ts";
import type { Exec } from "./arith.ts";
import type { Slot } from "./slots.ts";

export const isSigned = (relation: Relation): boolean =>
  relation === "lts" || relation === "ges" || relation === "les" || relation === "gts";

/** Where RIP is, and what it becomes. */
export interface Ways {
  readonly rip: Slot;
  readonly low: number;
  readonly high: number;
  readonly nextLow: number;
  readonly nextHigh: number;
}

const NEGATED: Partial<Record<Relation, Relation>> = { ne: "eq", geu: "ltu", ges: "lts" };

/** undefined: this relation has no fused form. */
export function branchIf(
  i32: Int32Array,
  relation: Relation,
  size: 32 | 64,
  a: Slot,
  b: Slot,
  ways: Ways,
): Exec | undefined {
  const positive = NEGATED[relation];
  if (positive) {
    const { rip, low, high, nextLow, nextHigh } = ways;
    return branchIf(i32, positive, size, a, b, { rip, low: nextLow, high: nextHigh, nextLow: low, nextHigh: high });
  }
  return size === 64 ? branch64(i32, relation, a, b, ways) : branch32(i32, relation, a, b, ways);
}

function branch32(i32: Int32Array, relation: Relation, a: Slot, b: Slot, ways: Ways): Exec | undefined {
  const { rip, low, high, nextLow, nextHigh } = ways;
  switch (relation) {
    case "eq":
      return () => {
        const taken = i32[a]! === i32[b]!;
        i32[rip] = taken ? low : nextLow;
        i32[rip + 1] = taken ? high : nextHigh;
      };
    case "ltu":
      return () => {
        const taken = i32[a]! >>> 0 < i32[b]! >>> 0;
        i32[rip] = taken ? low : nextLow;
        i32[rip + 1] = taken ? high : nextHigh;
      };
    case "lts":
      return () => {
        const taken = i32[a]! < i32[b]!;
        i32[rip] = taken ? low : nextLow;
        i32[rip + 1] = taken ? high : nextHigh;
      };
    default:
      return undefined;
  }
}

function branch64(i32: Int32Array, relation: Relation, a: Slot, b: Slot, ways: Ways): Exec | undefined {
  const { rip, low, high, nextLow, nextHigh } = ways;
  switch (relation) {
    case "eq":
      return () => {
        const taken = i32[a]! === i32[b]! && i32[a + 1]! === i32[b + 1]!;
        i32[rip] = taken ? low : nextLow;
        i32[rip + 1] = taken ? high : nextHigh;
      };
    case "ltu":
      return () => {
        const x = i32[a + 1]! >>> 0;
        const y = i32[b + 1]! >>> 0;
        const taken = x < y || (x === y && i32[a]! >>> 0 < i32[b]! >>> 0);
        i32[rip] = taken ? low : nextLow;
        i32[rip + 1] = taken ? high : nextHigh;
      };
    case "lts":
      return () => {
        const x = i32[a + 1]!;
        const y = i32[b + 1]!;
        const taken = x < y || (x === y && i32[a]! >>> 0 < i32[b]! >>> 0);
        i32[rip] = taken ? low : nextLow;
        i32[rip + 1] = taken ? high : nextHigh;
      };
    default:
      return undefined;
  }
}
