/** How numbers are shown: hexadecimal first, padded to their size, so that columns line up and bits can be read. */
import { type Addr, addrToBig } from "../../emu/cpu/state.ts";

/** "0x" and `bits / 4` digits. */
export const hex = (value: bigint | number, bits = 0): string =>
  `0x${BigInt.asUintN(64, BigInt(value))
    .toString(16)
    .padStart(bits / 4, "0")}`;

/** An address in the width of the code it belongs to. */
export const hexAddr = (addr: Addr, bits: 16 | 32 | 64 = 64): string => hex(addrToBig(addr), bits === 64 ? 64 : 32);
