/** An address as base + (index << shift) + displacement, out of a tree of additions. */
import type { Value } from "../ir/types.ts";

export interface AddressParts {
  readonly base: Value | undefined;
  readonly index: Value | undefined;
  readonly shift: number;
  readonly dispLow: number;
  readonly dispHigh: number;
  /** What the sum is masked with: 0xffff or all ones. */
  readonly wrap: number;
}

/** What does not fit is the base as a whole. */
export function splitAddress(v: Value): AddressParts {
  const wrapped = v.op === "and" && v.type === 32 && v.b.op === "const";
  const wrap = v.op === "and" && wrapped && v.b.op === "const" ? v.b.low : -1;
  const tree = v.op === "and" && wrapped ? v.a : v;
  const terms: Value[] = [];
  let dispLow = 0;
  let dispHigh = 0;
  const flatten = (node: Value): void => {
    if (node.op === "add") {
      flatten(node.a);
      flatten(node.b);
    } else if (node.op === "const" && dispLow === 0 && dispHigh === 0) {
      dispLow = node.low;
      dispHigh = node.high;
    } else terms.push(node);
  };
  flatten(tree);
  // A wrapped (16-bit) address never has more than base, index and displacement, so nothing is lost here.
  if (terms.length > 2) return { base: tree, index: undefined, shift: 0, dispLow: 0, dispHigh: 0, wrap };
  const scaled = terms.find((t) => t.op === "shl" && t.b.op === "const");
  const index = scaled ?? terms[1];
  const base = terms.find((t) => t !== index);
  const shift = scaled?.op === "shl" && scaled.b.op === "const" ? scaled.b.low : 0;
  return { base, index: shift && scaled?.op === "shl" ? scaled.a : index, shift, dispLow, dispHigh, wrap };
}
