/**
 * Hashing of states: equal states give equal hashes however they were reached. Not cryptographic; two independent 32-bit mixes.
 */
export class Hasher {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;

  word(value: number): void {
    this.words(Int32Array.of(value));
  }

  words(values: Int32Array): void {
    let [a, b] = [this.#a, this.#b];
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      a = Math.imul(a ^ value, 0x01000193);
      a ^= a >>> 15;
      b = Math.imul(b + value, 0x85ebca6b);
      b = (b << 13) | (b >>> 19);
    }
    this.#a = a;
    this.#b = b;
  }

  text(value: string): void {
    const words = new Int32Array(value.length + 1);
    for (let i = 0; i < value.length; i++) words[i] = value.charCodeAt(i);
    words[value.length] = value.length;
    this.words(words);
  }

  digest(): string {
    const hex = (n: number) => (n >>> 0).toString(16).padStart(8, "0");
    return hex(this.#a) + hex(this.#b);
  }
}

/** JSON with sorted keys; Maps, Sets, BigInts and byte arrays keep their meaning. The text two equal plain values share. */
export function canonicalText(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return String(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "undefined";
  if (value instanceof Uint8Array) return `bytes[${value.join()}]`;
  if (value instanceof Map)
    return `map${canonicalText([...value].map(([k, v]) => [canonicalText(k), v]).sort(byFirst))}`;
  if (value instanceof Set) return `set${canonicalText([...value].map(canonicalText).sort())}`;
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  const held = value as Record<string, unknown>;
  let text = "";
  for (const key of Object.keys(held).sort()) {
    if (held[key] !== undefined) text += `,${JSON.stringify(key)}:${canonicalText(held[key])}`;
  }
  return `{${text.slice(1)}}`;
}

const byFirst = (x: readonly unknown[], y: readonly unknown[]) => (String(x[0]) < String(y[0]) ? -1 : 1);
