/** Byte arrays that grow, and little-endian fields in them. */
const NOTHING = new Uint8Array(0);
/** Up to here a loop is faster than a call. */
const FEW = 32;

export class ByteBuffer {
  #bytes = NOTHING;
  length = 0;

  #reserve(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count, 32));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }

  push(bytes: ArrayLike<number>): void {
    const count = bytes.length;
    this.#reserve(count);
    if (count > FEW) this.#bytes.set(bytes, this.length);
    else for (let i = 0; i < count; i++) this.#bytes[this.length + i] = bytes[i]!;
    this.length += count;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
  }

  skip(count: number): void {
    this.#reserve(count);
    this.length += count;
  }

  /** What stands from `start` on stands there `times` times. */
  repeat(start: number, times: number): void {
    const unit = this.length - start;
    const end = start + unit * times;
    this.#reserve(end - this.length);
    for (let at = this.length; at < end; at += Math.min(at - start, end - at))
      this.#bytes.copyWithin(at, start, Math.min(at, start + end - at));
    this.length = end;
  }

  view(from = 0, to = this.length): Uint8Array {
    return this.#bytes.subarray(from, to);
  }
}

/** One of the pieces that fill a buffer one after the other. Only the last one grows; another one moves behind it first. */
export class BufferPart {
  readonly #whole: ByteBuffer;
  #start: number;
  length = 0;

  constructor(whole: ByteBuffer) {
    this.#whole = whole;
    this.#start = whole.length;
  }

  #toEnd(): void {
    const { length } = this.#whole;
    if (this.#start + this.length === length) return;
    if (this.length > 0) this.#whole.push(this.view().slice());
    this.#start = length;
  }

  push(bytes: ArrayLike<number>): void {
    this.#toEnd();
    this.#whole.push(bytes);
    this.length += bytes.length;
  }

  /** What stands from `start` on stands there `times` times. */
  repeat(start: number, times: number): void {
    this.#toEnd();
    this.#whole.repeat(this.#start + start, times);
    this.length = this.#whole.length - this.#start;
  }

  view(): Uint8Array {
    return this.#whole.view(this.#start, this.#start + this.length);
  }
}

/** Stores the low `size` bytes of a value, lowest first. */
export function putLittleEndian(target: Uint8Array, offset: number, size: number, value: bigint): void {
  let rest = BigInt.asUintN(size * 8, value);
  for (let i = 0; i < size; i++) {
    target[offset + i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

export function littleEndian(size: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(size);
  putLittleEndian(bytes, 0, size, value);
  return bytes;
}
