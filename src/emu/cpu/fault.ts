/**
 * What a guest can cause. A plain class and not an Error: capturing a stack costs twenty times as much, and a guest's fault is no
 * failure of ours. `throw new Error` in this project means a bug in Ringside.
 */
export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
  CP: 21,
} as const;
export type Vector = number;

/** Bits of a page fault's error code. */
export const PF_ERROR = { P: 1, W: 2, U: 4, RSVD: 8, I: 16, PK: 32 } as const;

export class Fault {
  readonly vector: Vector;
  /** Pushed by the vectors that push one; 0 otherwise. */
  readonly errorCode: number;
  /** The failed condition in one sentence, for the user. */
  readonly why: string;
  /** #PF only: the linear address for CR2, as 32-bit halves. */
  readonly addressLow: number;
  readonly addressHigh: number;

  constructor(vector: Vector, errorCode: number, why: string, addressLow = 0, addressHigh = 0) {
    this.vector = vector;
    this.errorCode = errorCode;
    this.why = why;
    this.addressLow = addressLow;
    this.addressHigh = addressHigh;
  }
}

export const ud = (why: string) => new Fault(VECTOR.UD, 0, why);
export const gp = (errorCode: number, why: string) => new Fault(VECTOR.GP, errorCode, why);
export const ss = (errorCode: number, why: string) => new Fault(VECTOR.SS, errorCode, why);
export const np = (errorCode: number, why: string) => new Fault(VECTOR.NP, errorCode, why);
export const ts = (errorCode: number, why: string) => new Fault(VECTOR.TS, errorCode, why);
export const nm = (why: string) => new Fault(VECTOR.NM, 0, why);
