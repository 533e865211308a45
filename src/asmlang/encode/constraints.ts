/** What the tools check beyond the operands' kinds: registers that must differ, immediates of four bits, tiles. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Form } from "./forms.ts";
import { regInfo } from "./registers.ts";
import type { EncodeRequest } from "./types.ts";

/** Products of complex numbers write their destination before they have read all of the sources. */
const DISTINCT_DESTINATION = /^vfc?m(ul|add)c[ps]h$/;

function registers({ operands }: EncodeRequest): number[] {
  return operands.flatMap((operand) => (operand.kind === "reg" ? [operand.reg] : []));
}

/** Early names of moves, which are for 256 bits. */
const WHOLE_YMM = /^v(ldqqu|movqq[au]|movntqq)$/;
const HIGH_BYTES: ReadonlySet<number> = new Set([Register.AH, Register.CH, Register.DH, Register.BH]);

function nasmError(form: Form, request: EncodeRequest): string | undefined {
  const { mnemonic } = request;
  if (WHOLE_YMM.test(mnemonic) && !form.slots.some(({ reg }) => reg === "ymm"))
    return `"${mnemonic}" moves 256 bits, to or from a YMM register`;
  if (mnemonic === "pinsrb" && registers(request).some((register) => HIGH_BYTES.has(register)))
    return "AH, CH, DH and BH cannot be used here";
  return undefined;
}

/** The text is the error. */
export function constraintError(form: Form, request: EncodeRequest): string | undefined {
  const { mnemonic, slots } = form;
  if (request.dialect === "nasm") return nasmError(form, request);
  if (request.intelMnemonics && /^sys(ret|exit)$/.test(request.mnemonic) && request.bits === 64)
    return `ambiguous operand size for "${request.mnemonic}"; "${request.mnemonic}d" or "${request.mnemonic}q"`;
  if (request.rounding !== undefined && /^vcvtu?si2sd$/.test(mnemonic) && slots[2]?.reg === "r32")
    return `"${request.mnemonic}" of 32 bits is exact and takes no rounding`;
  const relative = request.operands.some((operand) => operand.kind === "mem" && operand.relative === true);
  if (relative && /^bnd(mk|ldx|stx)$/.test(mnemonic)) return "an address relative to RIP cannot be used here";
  const frame = mnemonic === "enter" ? request.operands[0] : undefined;
  const bytes = frame?.kind === "imm" ? frame.value.known : undefined;
  if (bytes !== undefined && request.bits !== 16 && (bytes > 0xffffn || bytes < -0x8000n))
    return "the frame's size must fit in 16 bits";
  if (DISTINCT_DESTINATION.test(mnemonic)) {
    const [destination, ...sources] = registers(request);
    if (sources.includes(destination!))
      return `destination and source registers must be distinct for "${request.mnemonic}"`;
  }
  if (slots.length === 3 && slots[0]!.reg === "tmm") {
    const tiles = registers(request).filter((register) => regInfo(register)?.class === "tmm");
    if (tiles.length === 3 && new Set(tiles).size < 3)
      return `all tile registers must be distinct for "${request.mnemonic}"`;
  }
  if (request.intelMnemonics && /^f(ld|stp)t$/.test(request.mnemonic))
    if (request.operands.some((operand) => operand.kind === "mem" && operand.size !== 0))
      return `"${request.mnemonic}" says its size already`;
  if (slots.length !== 5) return undefined;
  const immediate = request.operands.find((operand) => operand.kind === "imm");
  const value = immediate?.kind === "imm" ? immediate.value.known : undefined;
  return immediate !== undefined && (value === undefined || value < 0n || value > 15n)
    ? `constant does not fit in 4 bits for "${request.mnemonic}"`
    : undefined;
}
