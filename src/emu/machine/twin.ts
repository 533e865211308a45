/**
 * A copy of plain data, and whether it still is one: asking costs a fraction of copying anew, and nothing for the garbage collector.
 * It is still one while a walk through the original meets the very same objects in the same order, and equal values. What original and
 * copy share is taken to change no more; Maps and Sets are not looked into, and never found unchanged.
 */
export class Twin<T extends object> {
  readonly copy: T;
  /** The objects of the original that the walk met, in order, as often as it met them; none that the copy has too. */
  readonly #met: object[] = [];
  /** How many fields or elements each of them had. */
  readonly #sizes: number[] = [];
  #at = 0;

  /** @param copy of `original`, made just now. */
  constructor(original: T, copy: T) {
    this.copy = copy;
    this.#meet(original, copy);
  }

  isOf(original: T): boolean {
    this.#at = 0;
    return this.#same(original, this.copy);
  }

  #meet(value: unknown, copy: unknown): void {
    if (value === copy || value === null || typeof value !== "object") return;
    this.#met.push(value);
    const keys = ArrayBuffer.isView(value) ? [] : Object.keys(value);
    this.#sizes.push(keys.length);
    for (const key of keys) this.#meet((value as Fields)[key], (copy as Fields)[key]);
  }

  #same(value: unknown, copy: unknown): boolean {
    if (Object.is(value, copy)) return true;
    if (value === null || typeof value !== "object") return false;
    const index = this.#at++;
    if (this.#met[index] !== value) return false;
    if (ArrayBuffer.isView(value)) return sameBytes(value as Uint8Array, copy as Uint8Array);
    if (value instanceof Map || value instanceof Set) return false;
    const size = Array.isArray(value)
      ? this.#sameList(value, copy as List)
      : this.#sameFields(value as Fields, copy as Fields);
    return size === this.#sizes[index];
  }

  /** How many parts there are now, if they are all the same; else -1. */
  #sameList(value: List, copy: List): number {
    for (let i = 0; i < value.length; i++) if (!this.#same(value[i], copy[i])) return -1;
    return value.length;
  }

  #sameFields(value: Fields, copy: Fields): number {
    let size = 0;
    for (const key in value) {
      if (!this.#same(value[key], copy[key])) return -1;
      size++;
    }
    return size;
  }
}

type List = readonly unknown[];
type Fields = Readonly<Record<string, unknown>>;

function sameBytes(value: Uint8Array, copy: Uint8Array): boolean {
  if (value.length !== copy.length) return false;
  for (let i = 0; i < value.length; i++) if (value[i] !== copy[i]) return false;
  return true;
}
