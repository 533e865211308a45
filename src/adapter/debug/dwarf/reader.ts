/** Numbers and texts of DWARF sections (DWARF 5, section 7), 2 to 5. Reading beyond a section throws a RangeError. */
import { FORM } from "../../../asmlang/image/dwarf-numbers.ts";

/** Sections that values of forms point into. */
export interface Strings {
  readonly str: Uint8Array | undefined;
  readonly lineStr: Uint8Array | undefined;
}

/** How long addresses and offsets are in a unit. */
export interface UnitSizes {
  readonly address: number;
  readonly offset: 4 | 8;
}

export type Value = number | bigint | string | undefined;

const FIXED: ReadonlyMap<number, number> = new Map([
  [FORM.DATA1, 1],
  [FORM.DATA2, 2],
  [FORM.DATA4, 4],
  [FORM.DATA8, 8],
  [FORM.FLAG, 1],
  [FORM.REF1, 1],
  [FORM.REF2, 2],
  [FORM.REF4, 4],
  [FORM.REF8, 8],
  [FORM.STRX1, 1],
  [FORM.STRX2, 2],
  [FORM.STRX3, 3],
  [FORM.STRX4, 4],
  ...[1, 2, 3, 4].map((size): [number, number] => [FORM.ADDRX1 + size - 1, size]),
]);
const BLOCKS: ReadonlyMap<number, number> = new Map([
  [FORM.BLOCK1, 1],
  [FORM.BLOCK2, 2],
  [FORM.BLOCK4, 4],
]);
const LEB: readonly number[] = [FORM.UDATA, FORM.REF_UDATA, FORM.STRX, FORM.ADDRX, FORM.LOCLISTX, FORM.RNGLISTX];

export class DwarfReader {
  readonly #view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get done(): boolean {
    return this.left <= 0;
  }

  /** Bytes that are still to come. */
  get left(): number {
    return this.#view.byteLength - this.at;
  }

  byte(): number {
    return this.#view.getUint8(this.at++);
  }

  signedByte(): number {
    return this.#view.getInt8(this.at++);
  }

  unsigned(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value += this.byte() * 2 ** (8 * i);
    return value;
  }

  /** Up to 53 bits exactly. */
  uleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  sleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - scale * 128;
    }
  }

  text(): string {
    const start = this.at;
    while (this.byte() !== 0);
    const { buffer, byteOffset } = this.#view;
    return new TextDecoder().decode(new Uint8Array(buffer, byteOffset + start, this.at - 1 - start));
  }

  /** A unit's length, which tells how long its offsets are. */
  unitLength(): { readonly end: number; readonly offset: 4 | 8 } {
    const length = this.unsigned(4);
    if (length < 0xffff_fff0) return { end: this.at + length, offset: 4 };
    const wide = this.unsigned(8);
    return { end: this.at + wide, offset: 8 };
  }

  /** An attribute's value: a number or text; undefined for what nobody asks about, which is skipped. */
  value(form: number, sizes: UnitSizes, strings: Strings): Value {
    const fixed = FIXED.get(form);
    if (fixed !== undefined) return this.unsigned(fixed);
    if (LEB.includes(form)) return this.uleb();
    const block = BLOCKS.get(form);
    if (block !== undefined) return this.#skip(this.unsigned(block));
    switch (form) {
      case FORM.STRING:
        return this.text();
      case FORM.STRP:
        return textIn(strings.str, this.unsigned(sizes.offset));
      case FORM.LINE_STRP:
        return textIn(strings.lineStr, this.unsigned(sizes.offset));
      case FORM.SEC_OFFSET:
      case FORM.REF_ADDR:
        return this.unsigned(sizes.offset);
      case FORM.ADDR:
        return this.unsigned(sizes.address);
      case FORM.SDATA:
        return this.sleb();
      case FORM.BLOCK:
      case FORM.EXPRLOC:
        return this.#skip(this.uleb());
      case FORM.DATA16:
        return this.#skip(16);
      case FORM.FLAG_PRESENT:
      case FORM.IMPLICIT_CONST:
        return undefined;
      default:
        throw new RangeError(`form ${form} is not known`);
    }
  }

  #skip(bytes: number): undefined {
    this.at += bytes;
    return undefined;
  }
}

const textIn = (section: Uint8Array | undefined, at: number): string | undefined =>
  section === undefined ? undefined : new DwarfReader(section, at).text();
