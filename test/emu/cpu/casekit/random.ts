/** Values worth trying, from a seed. */
import { Random as Source } from "../../../conformance/asm-encode/random.ts";

const bits64 = new DataView(new ArrayBuffer(8));
function doubleBits(value: number): bigint {
  bits64.setFloat64(0, value);
  return bits64.getBigUint64(0);
}
function singleBits(value: number): bigint {
  bits64.setFloat32(0, value);
  return BigInt(bits64.getUint32(0));
}

export interface Extended {
  readonly mant: bigint;
  readonly signExponent: number;
}

export class Random extends Source {
  bits(n: number): bigint {
    let value = 0n;
    for (let at = 0; at < n; at += 16) value = (value << 16n) | BigInt(this.below(0x10000));
    return BigInt.asUintN(n, value);
  }

  /** 64 bits with more zeros, ones, signs and small numbers than chance would give. */
  integer(): bigint {
    const kinds = [
      () => BigInt(this.below(32)),
      () => -BigInt(this.below(32)),
      () => (1n << BigInt(this.below(64))) - BigInt(this.below(2)),
      () => this.bits(32),
      () => BigInt.asIntN(32, this.bits(32)),
      () => this.bits(64),
    ];
    return BigInt.asUintN(64, this.pick(kinds)());
  }

  plainSingle(): bigint {
    return singleBits((this.below(4000) - 2000) / 16);
  }
  plainDouble(): bigint {
    return doubleBits((this.below(4000) - 2000) / 16);
  }

  /** Zeros, infinities, NaNs, denormals, numbers of middling size. */
  single(): bigint {
    const sign = BigInt(this.below(2)) << 31n;
    const kinds = [0n, 0x7f80_0000n, 0x7fc0_0000n | this.bits(20), 0x7f80_0001n, this.bits(23), 0x7f7f_ffffn];
    if (this.chance(0.5)) return sign | this.pick(kinds);
    return sign | (BigInt(110 + this.below(40)) << 23n) | this.bits(23);
  }
  double(): bigint {
    const sign = BigInt(this.below(2)) << 63n;
    const top = 0x7ffn << 52n;
    const kinds = [0n, top, top | (1n << 51n) | this.bits(48), top | 1n, this.bits(52), top - 1n];
    if (this.chance(0.5)) return sign | this.pick(kinds);
    return sign | (BigInt(1000 + this.below(60)) << 52n) | this.bits(52);
  }

  plainExtended(): Extended {
    const mant = (1n << 63n) | (this.bits(15) << 48n);
    return { mant, signExponent: (this.below(2) << 15) | (0x3ffc + this.below(8)) };
  }
  /** Normal numbers, zeros, infinities, NaNs, denormals, unsupported patterns. */
  extended(): Extended {
    const sign = this.below(2) << 15;
    const integer = 1n << 63n;
    const kinds: Extended[] = [
      { mant: 0n, signExponent: sign },
      { mant: integer, signExponent: sign | 0x7fff },
      { mant: integer | (1n << 62n) | this.bits(40), signExponent: sign | 0x7fff },
      { mant: integer | 1n, signExponent: sign | 0x7fff },
      { mant: this.bits(63), signExponent: sign },
      { mant: this.bits(63), signExponent: sign | 0x4000 },
    ];
    if (this.chance(0.5)) return this.pick(kinds);
    return { mant: integer | this.bits(63), signExponent: sign | (0x3fff - 40 + this.below(100)) };
  }
}
