/** How much chance there is in where things of a new program lie. */

/** Bits of randomness, in pages: of the stack's top, of the mmap area; and the range in bytes that the break moves in. */
export const RANDOM = {
  32: { stack: 0x7ff, mmapBits: 8, brk: 32 * 2 ** 20 },
  64: { stack: 0x3f_ffff, mmapBits: 28, brk: 2 ** 30 },
} as const;
