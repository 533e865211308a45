/** How numbers are shown: hexadecimal first, padded to their size, so that columns line up and bits can be read. */
import { type Addr, addrToBig } from "../../emu/cpu/state.ts";

/** "0x" and `bits / 4` digits. */
export const hex = (value: bigint | number, bits = 0): string =>
  `0x${BigInt.asUintN(64, BigInt(value))
    .toString(16)
    .padStart(bits / 4, "0")}`;

/** An address in the width of the code it belongs to. */
export const hexAddr = (addr: Addr, bits: 16 | 32 | 64 = 64): string => hex(addrToBig(addr), bits === 64 ? 64 : 32);

/** Hexadecimal with the decimal beside it where that helps: `0x0000002a  42`. */
export function hexAndDecimal(value: bigint, bits: number): string {
  const unsigned = BigInt.asUintN(bits, value);
  const signed = BigInt.asIntN(bits, value);
  const decimal = signed > -0x8000n && signed < 0x10000n ? `  ${signed}` : "";
  return hex(unsigned, bits) + (unsigned < 10n && signed >= 0n ? "" : decimal);
}
