/** What the tools check beyond the operands' kinds: registers that must differ, immediates of four bits, tiles. */
import type { Form } from "./forms.ts";
import { regInfo } from "./registers.ts";
import type { EncodeRequest } from "./types.ts";

/** Products of complex numbers write their destination before they have read all of the sources. */
const DISTINCT_DESTINATION = /^vfc?m(ul|add)c[ps]h$/;

function registers({ operands }: EncodeRequest): number[] {
  return operands.flatMap((operand) => (operand.kind === "reg" ? [operand.reg] : []));
}

/** Rows of a tile have no size. */
function tileError(slots: Form["slots"], { operands }: EncodeRequest): string | undefined {
  const sized = operands.some((operand) => operand.kind === "mem" && operand.size !== 0);
  return sized && slots.some(({ addressing }) => addressing === "sib") ? "mismatch in operand sizes" : undefined;
}

/** The text is the error. */
export function constraintError({ mnemonic, slots }: Form, request: EncodeRequest): string | undefined {
  if (request.dialect !== "gas") return tileError(slots, request);
  if (request.rounding !== undefined && /^vcvtu?si2sd$/.test(mnemonic) && slots[2]?.reg === "r32")
    return `"${request.mnemonic}" of 32 bits is exact and takes no rounding`;
  const relative = request.operands.some((operand) => operand.kind === "mem" && operand.relative === true);
  if (relative && /^bnd(mk|ldx|stx)$/.test(mnemonic)) return "an address relative to RIP cannot be used here";
  const frame = mnemonic === "enter" ? request.operands[0] : undefined;
  const bytes = frame?.kind === "imm" ? frame.value.known : undefined;
  if (bytes !== undefined && (bytes > 0xffffn || bytes < -0x8000n)) return "the frame's size must fit in 16 bits";
  const [destination, ...sources] = registers(request);
  if (DISTINCT_DESTINATION.test(mnemonic) && sources.some((source) => source === destination))
    return `destination and source registers must be distinct for "${request.mnemonic}"`;
  const tiles = registers(request).filter((register) => regInfo(register)?.class === "tmm");
  if (tiles.length === 3 && new Set(tiles).size < 3)
    return `all tile registers must be distinct for "${request.mnemonic}"`;
  if (slots.length !== 5) return undefined;
  const immediate = request.operands.find((operand) => operand.kind === "imm");
  const value = immediate?.kind === "imm" ? immediate.value.known : undefined;
  return value !== undefined && (value < 0n || value > 15n)
    ? `constant does not fit in 4 bits for "${request.mnemonic}"`
    : undefined;
}
