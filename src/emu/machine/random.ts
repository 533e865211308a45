/** The machine's only randomness: a seeded generator (xorshift128), saved and restored with everything else. */
import type { Component } from "./types.ts";

export class SeededRandom implements Component {
  readonly name: string;
  #state: [number, number, number, number];

  constructor(name: string, seed: number) {
    this.name = name;
    // splitmix32 spreads small seeds over the whole state
    let x = seed | 0;
    const next = () => {
      x = (x + 0x9e3779b9) | 0;
      let z = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) | 0;
    };
    this.#state = [next(), next(), next(), next() | 1];
  }

  /** Unsigned 32 bits. */
  next32(): number {
    const [a, b, c, d] = this.#state;
    const t = a ^ (a << 11);
    const e = d ^ (d >>> 19) ^ (t ^ (t >>> 8));
    this.#state = [b, c, d, e | 0];
    return e >>> 0;
  }

  /** Integer in [0, bound), bound at most 2^32. */
  below(bound: number): number {
    return Math.floor((this.next32() / 0x1_0000_0000) * bound);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.next32() & 0xff);
  }

  save(): unknown {
    return [...this.#state];
  }
  restore(state: unknown): void {
    this.#state = [...(state as [number, number, number, number])];
  }
}
