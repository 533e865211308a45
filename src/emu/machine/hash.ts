/**
 * Hashing of states: equal states give equal hashes however they were reached. Not cryptographic; two independent 32-bit mixes.
 */
export class Hasher {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;

  word(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#a ^= this.#a >>> 15;
    this.#b = Math.imul(this.#b + value, 0x85ebca6b);
    this.#b = (this.#b << 13) | (this.#b >>> 19);
  }

  words(values: Int32Array): void {
    for (let i = 0; i < values.length; i++) this.word(values[i]!);
  }

  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
    this.word(value.length);
  }

  digest(): string {
    const hex = (n: number) => (n >>> 0).toString(16).padStart(8, "0");
    return hex(this.#a) + hex(this.#b);
  }
}

/** JSON with sorted keys; Maps, Sets, BigInts and byte arrays keep their meaning. The text two equal plain values share. */
export function canonicalText(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "undefined";
  if (value instanceof Uint8Array) return `bytes[${value.join()}]`;
  if (value instanceof Map)
    return `map${canonicalText([...value].map(([k, v]) => [canonicalText(k), v]).sort(byFirst))}`;
  if (value instanceof Set) return `set${canonicalText([...value].map(canonicalText).sort())}`;
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  return `{${entries
    .sort(byFirst)
    .map(([k, v]) => `${JSON.stringify(k)}:${canonicalText(v)}`)
    .join()}}`;
}

const byFirst = (x: readonly unknown[], y: readonly unknown[]) => (String(x[0]) < String(y[0]) ? -1 : 1);
