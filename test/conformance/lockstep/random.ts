/** The seeded generator behind every choice of the oracle: same seed, same instructions. */
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
  big64(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }

  /** 64 bits with more zeros, ones, signs and small numbers than chance would give. */
  interesting64(): bigint {
    switch (this.below(8)) {
      case 0:
        return BigInt(this.below(32));
      case 1:
        return BigInt.asUintN(64, -BigInt(this.below(32)));
      case 2:
        return BigInt.asUintN(64, (1n << BigInt(this.below(64))) - BigInt(this.below(2)));
      case 3:
        return BigInt(this.next());
      case 4:
        return BigInt.asUintN(64, BigInt(this.next() | 0));
      default:
        return this.big64();
    }
  }

  /** Bits of a double: zeros, denormals, infinities, NaNs, small integers, near neighbours, anything. */
  double(): bigint {
    const sign = BigInt(this.below(2)) << 63n;
    switch (this.below(10)) {
      case 0:
        return sign;
      case 1:
        return sign | (0x7ffn << 52n);
      case 2:
        return sign | (0x7ffn << 52n) | (BigInt(this.below(2)) << 51n) | (this.big64() >> 14n);
      case 3:
        return sign | (this.big64() >> 13n);
      case 4:
      case 5:
        return bitsOf(this.below(2000) - 1000);
      case 6:
        return bitsOf((this.below(2000) - 1000) / 16);
      case 7:
        return sign | (BigInt(1 + this.below(2045)) << 52n) | (BigInt(this.below(3)) << 51n);
      case 8:
        return sign | (BigInt(1000 + this.below(60)) << 52n) | (this.big64() >> 12n);
      default:
        return this.big64();
    }
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
        return singleBitsOf((this.below(2000) - 1000) / 8);
      case 5:
        return sign | ((110 + this.below(40)) << 23) | (this.next() >>> 9);
      default:
        return this.next() | 0;
    }
  }

  /** An 80-bit register: normal numbers, converted doubles, zeros, infinities, NaNs, denormals, unsupported patterns. */
  extended(): { mant: bigint; signExponent: number } {
    const sign = this.below(2) << 15;
    const integer = 1n << 63n;
    switch (this.below(12)) {
      case 0:
        return { mant: 0n, signExponent: sign };
      case 1:
        return { mant: integer, signExponent: sign | 0x7fff };
      case 2:
        return { mant: integer | (this.big64() >> 1n), signExponent: sign | 0x7fff };
      case 3:
        return { mant: this.big64() >> 1n, signExponent: sign };
      case 4:
        return { mant: this.big64(), signExponent: this.next() & 0xffff };
      case 5:
      case 6:
        return { mant: integer | (BigInt(this.below(256)) << 55n), signExponent: sign | (0x3fff + this.below(12)) };
      case 7:
        return { mant: integer | (this.big64() >> 1n), signExponent: sign | (1 + this.below(0x7ffe)) };
      default:
        return { mant: integer | (this.big64() >> 1n), signExponent: sign | (0x3fff - 40 + this.below(100)) };
    }
  }
}

const view = new DataView(new ArrayBuffer(8));
function bitsOf(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}
function singleBitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getInt32(0);
}
