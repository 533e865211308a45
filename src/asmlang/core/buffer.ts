/** A byte array that grows. */
const NOTHING = new Uint8Array(0);

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
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
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

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
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
