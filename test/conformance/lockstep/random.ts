/**
 * The seeded generator behind every choice of the oracle: same seed, same instructions. Values wider than 32 bits are written as words,
 * so that no choice allocates.
 */
const EXPONENT_MAX = 0x7ff;

const view = new DataView(new ArrayBuffer(8));

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0;
  }

  /** 0..2^32-1 (mulberry32). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * n);
  }
  chance(p: number): boolean {
    return this.next() < p * 0x1_0000_0000;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** 64 bits with more zeros, ones, signs and small numbers than chance would give. */
  interesting(to: Int32Array, at: number): void {
    to[at + 1] = 0;
    switch (this.below(8)) {
      case 0:
        to[at] = this.below(32);
        break;
      case 1:
        to[at] = -this.below(32);
        to[at + 1] = to[at] === 0 ? 0 : -1;
        break;
      case 2: {
        // A power of two, or one less.
        const bit = this.below(64);
        const less = this.chance(0.5);
        const low = bit < 32 ? 1 << bit : 0;
        to[at] = less ? low - 1 : low;
        to[at + 1] = bit < 32 ? 0 : (1 << (bit - 32)) - (less ? 1 : 0);
        break;
      }
      case 3:
        to[at] = this.next();
        break;
      case 4:
        to[at] = this.next();
        to[at + 1] = to[at]! >> 31;
        break;
      default:
        to[at] = this.next();
        to[at + 1] = this.next();
    }
  }

  /** Bits of a double: zeros, denormals, infinities, NaNs, small integers, near neighbours, anything. */
  double(to: Int32Array, at: number): void {
    const sign = this.below(2) << 31;
    const pair = (low: number, high: number) => {
      to[at] = low;
      to[at + 1] = high;
    };
    const exponent = (value: number) => sign | (value << 20);
    switch (this.below(10)) {
      case 0:
        pair(0, sign);
        break;
      case 1:
        pair(0, exponent(EXPONENT_MAX));
        break;
      case 2:
        pair(this.next(), exponent(EXPONENT_MAX) | (this.below(2) << 19) | (this.next() >>> 14));
        break;
      case 3:
        pair(this.next(), sign | (this.next() >>> 13));
        break;
      case 4:
      case 5:
        this.number(to, at, this.below(2000) - 1000);
        break;
      case 6:
        this.number(to, at, (this.below(2000) - 1000) / 16);
        break;
      case 7:
        pair(0, exponent(1 + this.below(2045)) | (this.below(3) << 19));
        break;
      case 8:
        pair(this.next(), exponent(1000 + this.below(60)) | (this.next() >>> 12));
        break;
      default:
        pair(this.next(), this.next());
    }
  }
  private number(to: Int32Array, at: number, value: number): void {
    view.setFloat64(0, value, true);
    to[at] = view.getInt32(0, true);
    to[at + 1] = view.getInt32(4, true);
  }

  /** The same for singles. */
  single(): number {
    const sign = this.below(2) << 31;
    switch (this.below(8)) {
      case 0:
        return sign;
      case 1:
        return sign | 0x7f80_0000;
      case 2:
        return sign | 0x7f80_0000 | (this.below(2) << 22) | (this.next() >>> 11);
      case 3:
        return sign | (this.next() >>> 9);
      case 4:
        view.setFloat32(0, (this.below(2000) - 1000) / 8);
        return view.getInt32(0);
      case 5:
        return sign | ((110 + this.below(40)) << 23) | (this.next() >>> 9);
      default:
        return this.next() | 0;
    }
  }

  /** An 80-bit register in four words: normal numbers, converted doubles, zeros, infinities, NaNs, denormals, unsupported patterns. */
  extended(to: Int32Array, at: number): void {
    const sign = this.below(2) << 15;
    const integer = 1 << 31;
    const put = (low: number, high: number, signExponent: number) => {
      to[at] = low;
      to[at + 1] = high;
      to[at + 2] = signExponent;
      to[at + 3] = 0;
    };
    switch (this.below(12)) {
      case 0:
        put(0, 0, sign);
        break;
      case 1:
        put(0, integer, sign | 0x7fff);
        break;
      case 2:
        put(this.next(), integer | (this.next() >>> 1), sign | 0x7fff);
        break;
      case 3:
        put(this.next(), this.next() >>> 1, sign);
        break;
      case 4:
        put(this.next(), this.next(), this.next() & 0xffff);
        break;
      case 5:
      case 6:
        put(0, integer | (this.below(256) << 23), sign | (0x3fff + this.below(12)));
        break;
      case 7:
        put(this.next(), integer | (this.next() >>> 1), sign | (1 + this.below(0x7ffe)));
        break;
      default:
        put(this.next(), integer | (this.next() >>> 1), sign | (0x3fff - 40 + this.below(100)));
    }
  }
}
