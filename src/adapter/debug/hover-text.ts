/** What hovers add to a value: the decimal number, and what lies at a name. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import { peekBytes } from "./guest-memory.ts";

const PRINTABLE = /^[\t\n\r\x20-\x7e]{2,}/;
const MOST_BYTES = 64;
const MOST_SHOWN = 8;

/** " = 42", with the sign that its size gives it; nothing of single digits and of what looks like an address. */
export function decimal(value: bigint, bits: number): string {
  const signed = BigInt.asIntN(bits, value);
  const isPlain = bits === 1 || (signed >= 0n && signed < 10n) || signed > 0xff_ffffn || signed < -0xff_ffffn;
  return isPlain ? "" : ` = ${signed}`;
}

/** The text that begins at an address, or its first bytes: `"Hello"` or `03 00 00 00`; nothing where nothing is mapped. */
export function contents(cpu: Cpu, address: Addr): string | undefined {
  const bytes = peekBytes(cpu, address, MOST_BYTES);
  if (bytes.length === 0) return undefined;
  const text = PRINTABLE.exec(String.fromCharCode(...bytes))?.[0];
  if (text !== undefined) return JSON.stringify(text) + (text.length === MOST_BYTES ? "..." : "");
  return Array.from(bytes.slice(0, MOST_SHOWN), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
