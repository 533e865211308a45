/**
 * Closures for the IR's arithmetic on slots (pairs of 32-bit words). Every 32-bit result clears its high word, so a 32-bit slot is
 * its own zero extension. Inputs are read before anything is written: a result may land on an operand.
 */
import type { BinaryOp, Relation, UnaryOp } from "../ir/types.ts";
import type { Slot } from "./slots.ts";

export type Exec = () => void;
export type ShiftOp = Extract<BinaryOp, "shl" | "shr" | "sar" | "rol" | "ror">;
export const isShift = (op: string): op is ShiftOp =>
  op === "shl" || op === "shr" || op === "sar" || op === "rol" || op === "ror";

export function binary32(i32: Int32Array, op: BinaryOp, d: Slot, a: Slot, b: Slot): Exec {
  const h = d + 1;
  switch (op) {
    case "add":
      return () => {
        i32[d] = i32[a]! + i32[b]!;
        i32[h] = 0;
      };
    case "sub":
      return () => {
        i32[d] = i32[a]! - i32[b]!;
        i32[h] = 0;
      };
    case "mul":
      return () => {
        i32[d] = Math.imul(i32[a]!, i32[b]!);
        i32[h] = 0;
      };
    case "and":
      return () => {
        i32[d] = i32[a]! & i32[b]!;
        i32[h] = 0;
      };
    case "or":
      return () => {
        i32[d] = i32[a]! | i32[b]!;
        i32[h] = 0;
      };
    case "xor":
      return () => {
        i32[d] = i32[a]! ^ i32[b]!;
        i32[h] = 0;
      };
    case "shl":
      return () => {
        i32[d] = i32[a]! << i32[b]!;
        i32[h] = 0;
      };
    case "shr":
      return () => {
        i32[d] = i32[a]! >>> i32[b]!;
        i32[h] = 0;
      };
    case "sar":
      return () => {
        i32[d] = i32[a]! >> i32[b]!;
        i32[h] = 0;
      };
    case "rol":
      return () => {
        const x = i32[a]!;
        const n = i32[b]!;
        i32[d] = (x << n) | (x >>> (32 - n));
        if ((n & 31) === 0) i32[d] = x;
        i32[h] = 0;
      };
    case "ror":
      return () => {
        const x = i32[a]!;
        const n = i32[b]!;
        i32[d] = (x >>> n) | (x << (32 - n));
        if ((n & 31) === 0) i32[d] = x;
        i32[h] = 0;
      };
  }
}

export function binary64(i32: Int32Array, op: BinaryOp, d: Slot, a: Slot, b: Slot): Exec {
  switch (op) {
    case "add":
      return () => {
        const x = i32[a]!;
        const low = (x + i32[b]!) | 0;
        const high = i32[a + 1]! + i32[b + 1]! + (low >>> 0 < x >>> 0 ? 1 : 0);
        i32[d] = low;
        i32[d + 1] = high;
      };
    case "sub":
      return () => {
        const x = i32[a]!;
        const y = i32[b]!;
        const high = i32[a + 1]! - i32[b + 1]! - (x >>> 0 < y >>> 0 ? 1 : 0);
        i32[d] = x - y;
        i32[d + 1] = high;
      };
    case "and":
      return () => {
        const high = i32[a + 1]! & i32[b + 1]!;
        i32[d] = i32[a]! & i32[b]!;
        i32[d + 1] = high;
      };
    case "or":
      return () => {
        const high = i32[a + 1]! | i32[b + 1]!;
        i32[d] = i32[a]! | i32[b]!;
        i32[d + 1] = high;
      };
    case "xor":
      return () => {
        const high = i32[a + 1]! ^ i32[b + 1]!;
        i32[d] = i32[a]! ^ i32[b]!;
        i32[d + 1] = high;
      };
    case "mul":
      return () => multiply64(i32, d, i32[a]!, i32[a + 1]!, i32[b]!, i32[b + 1]!);
    default:
      return () => shift64(i32, op, d, i32[a]!, i32[a + 1]!, i32[b]! & 63);
  }
}

/** Low 64 bits of a product, from 16-bit pieces of the low words. */
function multiply64(i32: Int32Array, d: Slot, al: number, ah: number, bl: number, bh: number): void {
  const a0 = al & 0xffff;
  const a1 = al >>> 16;
  const b0 = bl & 0xffff;
  const b1 = bl >>> 16;
  const mid = a1 * b0 + ((a0 * b0) >>> 16);
  const mid2 = a0 * b1 + (mid & 0xffff);
  const top = a1 * b1 + Math.floor(mid / 0x10000) + Math.floor(mid2 / 0x10000);
  i32[d] = Math.imul(al, bl);
  i32[d + 1] = (top | 0) + Math.imul(al, bh) + Math.imul(ah, bl);
}

/** All shifts and rotates of a 64-bit value by 0..63. */
function shift64(i32: Int32Array, op: BinaryOp, d: Slot, low: number, high: number, n: number): void {
  let l = low;
  let h = high;
  if (op === "rol" || op === "ror") {
    let count = op === "rol" ? n : (64 - n) & 63;
    if (count >= 32) {
      l = high;
      h = low;
      count -= 32;
    }
    const keep = l;
    if (count !== 0) {
      l = (l << count) | (h >>> (32 - count));
      h = (h << count) | (keep >>> (32 - count));
    }
  } else if (op === "shl") {
    if (n >= 32) {
      h = low << (n - 32);
      l = 0;
    } else if (n !== 0) {
      h = (high << n) | (low >>> (32 - n));
      l = low << n;
    }
  } else {
    const fill = op === "sar" ? high >> 31 : 0;
    if (n >= 32) {
      l = op === "sar" ? high >> (n - 32) : high >>> (n - 32);
      h = fill;
    } else if (n !== 0) {
      l = (low >>> n) | (high << (32 - n));
      h = op === "sar" ? high >> n : high >>> n;
    }
  }
  i32[d] = l;
  i32[d + 1] = h;
}

/** A 64-bit shift or rotate by a constant from 0 to 63. */
export function shift64By(i32: Int32Array, op: ShiftOp, d: Slot, a: Slot, by: number): Exec {
  if (op === "ror") return shift64By(i32, "rol", d, a, (64 - by) & 63);
  const n = by & 31;
  const far = by >= 32;
  if (op === "rol") {
    // By 32 and more the halves have changed places.
    const [x, y] = far ? [a + 1, a] : [a, a + 1];
    if (n === 0)
      return () => {
        const low = i32[x]!;
        i32[d + 1] = i32[y]!;
        i32[d] = low;
      };
    const m = 32 - n;
    return () => {
      const low = i32[x]!;
      const high = i32[y]!;
      i32[d] = (low << n) | (high >>> m);
      i32[d + 1] = (high << n) | (low >>> m);
    };
  }
  if (n === 0 || far) return () => shift64(i32, op, d, i32[a]!, i32[a + 1]!, by);
  const m = 32 - n;
  if (op === "shl")
    return () => {
      const low = i32[a]!;
      i32[d + 1] = (i32[a + 1]! << n) | (low >>> m);
      i32[d] = low << n;
    };
  const arithmetic = op === "sar";
  return () => {
    const high = i32[a + 1]!;
    i32[d] = (i32[a]! >>> n) | (high << m);
    i32[d + 1] = arithmetic ? high >> n : high >>> n;
  };
}

const ctz32 = (x: number): number => (x === 0 ? 32 : 31 - Math.clz32(x & -x));
function popcount32(value: number): number {
  let x = value - ((value >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

export function unary32(i32: Int32Array, op: UnaryOp, d: Slot, a: Slot): Exec {
  const apply: (x: number) => number =
    op === "not" ? (x) => ~x : op === "neg" ? (x) => -x : op === "clz" ? Math.clz32 : op === "ctz" ? ctz32 : popcount32;
  return () => {
    i32[d] = apply(i32[a]!);
    i32[d + 1] = 0;
  };
}

export function unary64(i32: Int32Array, op: UnaryOp, d: Slot, a: Slot): Exec {
  switch (op) {
    case "not":
      return () => {
        const high = ~i32[a + 1]!;
        i32[d] = ~i32[a]!;
        i32[d + 1] = high;
      };
    case "neg":
      return () => {
        const low = i32[a]!;
        const high = i32[a + 1]!;
        i32[d] = -low;
        i32[d + 1] = low === 0 ? -high : ~high;
      };
    default:
      return () => {
        const low = i32[a]!;
        const high = i32[a + 1]!;
        if (op === "clz") i32[d] = high !== 0 ? Math.clz32(high) : 32 + Math.clz32(low);
        else if (op === "ctz") i32[d] = low !== 0 ? ctz32(low) : 32 + ctz32(high);
        else i32[d] = popcount32(low) + popcount32(high);
        i32[d + 1] = 0;
      };
  }
}

// --- moves between slots

export const move32 =
  (i32: Int32Array, d: Slot, s: Slot): Exec =>
  () => {
    i32[d] = i32[s]!;
    i32[d + 1] = 0;
  };
export const move64 =
  (i32: Int32Array, d: Slot, s: Slot): Exec =>
  () => {
    const high = i32[s + 1]!;
    i32[d] = i32[s]!;
    i32[d + 1] = high;
  };
export const moveSigned =
  (i32: Int32Array, d: Slot, s: Slot): Exec =>
  () => {
    const low = i32[s]!;
    i32[d] = low;
    i32[d + 1] = low >> 31;
  };
export const put =
  (i32: Int32Array, d: Slot, low: number, high: number): Exec =>
  () => {
    i32[d] = low;
    i32[d + 1] = high;
  };
export const clearHigh =
  (i32: Int32Array, d: Slot): Exec =>
  () => {
    i32[d + 1] = 0;
  };
/** An 8- or 16-bit part of a register, zero-extended. */
export const extract =
  (i32: Int32Array, d: Slot, s: Slot, shift: number, mask: number): Exec =>
  () => {
    i32[d] = (i32[s]! >>> shift) & mask;
    i32[d + 1] = 0;
  };
/** And back: the rest of the register stays. */
export const insert =
  (i32: Int32Array, d: Slot, s: Slot, shift: number, mask: number): Exec =>
  () => {
    i32[d] = (i32[d]! & ~(mask << shift)) | ((i32[s]! & mask) << shift);
  };

/** A test on slots, for branches, selects and SETcc. */
export type Test = () => boolean;

export function relation32(i32: Int32Array, relation: Relation, a: Slot, b: Slot): Test {
  switch (relation) {
    case "eq":
      return () => i32[a]! === i32[b]!;
    case "ne":
      return () => i32[a]! !== i32[b]!;
    case "ltu":
      return () => i32[a]! >>> 0 < i32[b]! >>> 0;
    case "geu":
      return () => i32[a]! >>> 0 >= i32[b]! >>> 0;
    case "leu":
      return () => i32[a]! >>> 0 <= i32[b]! >>> 0;
    case "gtu":
      return () => i32[a]! >>> 0 > i32[b]! >>> 0;
    case "lts":
      return () => i32[a]! < i32[b]!;
    case "ges":
      return () => i32[a]! >= i32[b]!;
    case "les":
      return () => i32[a]! <= i32[b]!;
    case "gts":
      return () => i32[a]! > i32[b]!;
  }
}

export function relation64(i32: Int32Array, relation: Relation, a: Slot, b: Slot): Test {
  switch (relation) {
    case "eq":
      return () => i32[a]! === i32[b]! && i32[a + 1]! === i32[b + 1]!;
    case "ne":
      return () => i32[a]! !== i32[b]! || i32[a + 1]! !== i32[b + 1]!;
    case "ltu":
      return () => ltu64(i32, a, b);
    case "geu":
      return () => !ltu64(i32, a, b);
    case "leu":
      return () => !ltu64(i32, b, a);
    case "gtu":
      return () => ltu64(i32, b, a);
    case "lts":
      return () => lts64(i32, a, b);
    case "ges":
      return () => !lts64(i32, a, b);
    case "les":
      return () => !lts64(i32, b, a);
    case "gts":
      return () => lts64(i32, b, a);
  }
}

function ltu64(i32: Int32Array, a: Slot, b: Slot): boolean {
  const x = i32[a + 1]! >>> 0;
  const y = i32[b + 1]! >>> 0;
  return x < y || (x === y && i32[a]! >>> 0 < i32[b]! >>> 0);
}
function lts64(i32: Int32Array, a: Slot, b: Slot): boolean {
  const x = i32[a + 1]!;
  const y = i32[b + 1]!;
  return x < y || (x === y && i32[a]! >>> 0 < i32[b]! >>> 0);
}
