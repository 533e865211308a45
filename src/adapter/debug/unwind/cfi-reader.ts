/** Reads call frame information where it lies in guest memory: numbers in DWARF's forms, pointers in those of .eh_frame. */
import type { Cpu } from "../../../emu/cpu/cpu.ts";
import { PAGE_SIZE } from "../../../emu/cpu/memory.ts";
import { type Addr, addrToBig, bigToAddr } from "../../../emu/cpu/state.ts";
import { peekBytes, peekValue, physicalValue } from "../guest-memory.ts";

/** What is not mapped, or makes no sense: no frame information, then. */
export class NoCfi extends Error {}

/** DW_EH_PE_*: how a pointer is written. */
const FORMAT = {
  ABSPTR: 0,
  ULEB128: 1,
  UDATA2: 2,
  UDATA4: 3,
  UDATA8: 4,
  SLEB128: 9,
  SDATA2: 10,
  SDATA4: 11,
  SDATA8: 12,
};
const RELATIVE = { PC: 0x10, DATA: 0x30 };
const INDIRECT = 0x80;
export const OMITTED = 0xff;

/** Pages that are there before anyone has touched them: the vDSO's. */
export interface SpecialPages {
  readonly start: Addr;
  readonly pages: readonly number[];
}

const LONGEST_LEB = 10;

export class CfiReader {
  readonly cpu: Cpu;
  /** Bytes of an address. */
  readonly word: 4 | 8;
  at: Addr;
  readonly #special: SpecialPages | undefined;

  constructor(cpu: Cpu, word: 4 | 8, at: Addr, special?: SpecialPages) {
    this.cpu = cpu;
    this.word = word;
    this.at = at;
    this.#special = special;
  }

  /** The same, to read on elsewhere. */
  from(at: Addr): CfiReader {
    return new CfiReader(this.cpu, this.word, at, this.#special);
  }

  unsigned(bytes: number): bigint {
    const value = peekValue(this.cpu, this.at, bytes) ?? this.#fromSpecial(bytes);
    if (value === undefined) throw new NoCfi();
    this.at += bytes;
    return value;
  }
  #fromSpecial(bytes: number): bigint | undefined {
    if (this.#special === undefined) return undefined;
    const offset = this.at - this.#special.start;
    const page = this.#special.pages[Math.floor(offset / PAGE_SIZE)];
    return page === undefined ? undefined : physicalValue(this.cpu, page + (offset % PAGE_SIZE), bytes);
  }
  signed(bytes: number): bigint {
    return BigInt.asIntN(bytes * 8, this.unsigned(bytes));
  }
  byte(): number {
    return Number(this.unsigned(1));
  }
  bytes(count: number): Uint8Array {
    const found = peekBytes(this.cpu, this.at, count);
    if (found.length < count) return Uint8Array.from({ length: count }, () => this.byte());
    this.at += count;
    return found;
  }

  uleb(): bigint {
    return this.#leb().value;
  }
  sleb(): bigint {
    const { value, bits } = this.#leb();
    return BigInt.asIntN(bits, value);
  }
  #leb(): { value: bigint; bits: number } {
    let value = 0n;
    for (let i = 0; i < LONGEST_LEB; i++) {
      const byte = this.unsigned(1);
      value |= (byte & 0x7fn) << BigInt(7 * i);
      if ((byte & 0x80n) === 0n) return { value, bits: 7 * (i + 1) };
    }
    throw new NoCfi();
  }

  /** Text up to its zero. */
  text(): string {
    let text = "";
    for (let byte = this.byte(); byte !== 0; byte = this.byte()) text += String.fromCharCode(byte);
    return text;
  }

  /** A pointer, by its encoding. @param data what data-relative ones count from. */
  pointer(encoding: number, data?: Addr): Addr {
    const here = this.at;
    const value = this.#number(encoding & 15);
    const base = this.#base(encoding & 0x70, here, data);
    const address = BigInt.asUintN(this.word * 8, addrToBig(base) + value);
    if ((encoding & INDIRECT) === 0) return bigToAddr(address);
    return bigToAddr(this.from(bigToAddr(address)).unsigned(this.word));
  }

  #base(relative: number, here: Addr, data: Addr | undefined): Addr {
    if (relative === 0) return 0;
    if (relative === RELATIVE.PC) return here;
    if (relative === RELATIVE.DATA && data !== undefined) return data;
    throw new NoCfi();
  }

  #number(format: number): bigint {
    switch (format) {
      case FORMAT.ABSPTR:
        return this.unsigned(this.word);
      case FORMAT.ULEB128:
        return this.uleb();
      case FORMAT.UDATA2:
      case FORMAT.UDATA4:
      case FORMAT.UDATA8:
        return this.unsigned(1 << (format - 1));
      case FORMAT.SLEB128:
        return this.sleb();
      case FORMAT.SDATA2:
      case FORMAT.SDATA4:
      case FORMAT.SDATA8:
        return this.signed(1 << (format - 9));
      default:
        throw new NoCfi();
    }
  }
}
