/** Memory that a client has read, remembered to tell it what of that has changed when the program stands still again. */
interface Seen {
  /** As the client named it. */
  readonly memoryReference: string;
  readonly offset: number;
  bytes: Uint8Array;
}

/** Ranges remembered, the latest: a view reads a few at a time. */
const MOST_RANGES = 64;

export interface ChangedMemory {
  readonly memoryReference: string;
  readonly offset: number;
  readonly count: number;
}

export class SeenMemory {
  readonly #ranges = new Map<string, Seen>();

  note(memoryReference: string, offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const key = `${memoryReference} ${offset} ${bytes.length}`;
    this.#ranges.delete(key);
    this.#ranges.set(key, { memoryReference, offset, bytes });
    const [oldest] = this.#ranges.keys();
    if (this.#ranges.size > MOST_RANGES) this.#ranges.delete(oldest!);
  }

  /** From the first byte of each range that is not what it was to the last one. */
  changes(read: (memoryReference: string, offset: number, count: number) => Uint8Array): ChangedMemory[] {
    return [...this.#ranges.values()].flatMap((seen) => {
      const { memoryReference, offset, bytes: before } = seen;
      const now = read(memoryReference, offset, before.length);
      seen.bytes = now.length === before.length ? now : padded(now, before.length);
      const first = before.findIndex((byte, i) => byte !== now[i]);
      if (first < 0) return [];
      const last = before.findLastIndex((byte, i) => byte !== now[i]);
      return [{ memoryReference, offset: offset + first, count: last - first + 1 }];
    });
  }
}

/** What is not mapped any more counts as zero. */
function padded(bytes: Uint8Array, length: number): Uint8Array {
  const whole = new Uint8Array(length);
  whole.set(bytes);
  return whole;
}
