/**
 * What generator, emulator and tracer agree on: addresses, and the words of a processor's state, of a step and of its result. All are
 * 32-bit words in flat arrays, so that a step allocates nothing; native/tracer.c has the same structures.
 */

export type Bits = 16 | 32 | 64;

export const CODE = 0x1000_0000;
export const CODE_SIZE = 0x10000;
export const DATA = 0x2000_0000;
export const DATA_SIZE = 0x4000;
/** A page to read: its end holds small numbers for the indices of gathers. */
export const READ_ONLY = 0x3000_0000;
export const READ_ONLY_SIZE = 0x1000;
export const INDICES = 0xe00;
/** Its beginning: FXSAVE images that FXRSTOR accepts. */
export const IMAGES = 4;
export const IMAGE_SIZE = 512;
/** The program's own beginning: LDT, shared memory. */
export const PROLOGUE = 0x0fff_0000;
export const SHARED_FD = 3;

/** Entries of the exchange file's areas. */
export const MAX_STEPS = 16384;
export const MAX_CHANGES = 1 << 20;

/** Words of a state. */
export const WORD = {
  /** 16 general registers in encoding order, two words each. */
  GPR: 0,
  RIP: 32,
  EFLAGS: 34,
  FCW: 35,
  FSW: 36,
  /** Abridged tags, by physical register. */
  FTW: 37,
  MXCSR: 38,
  /** ES CS SS DS FS GS. */
  SELECTORS: 39,
  FS_BASE: 46,
  GS_BASE: 48,
  /** Eight physical registers, four words each, of which 80 bits count. */
  X87: 52,
  /** Sixteen registers, eight words each. */
  YMM: 84,
} as const;
export const STATE_WORDS = 212;

export const STEP = { FLAGS: 0, LOAD: 1, IP: 2, ADOPT_AT: 4, ADOPT_COUNT: 5 } as const;
export const STEP_WORDS = 8;
export const STEP_FLAG = {
  /** The first of a sequence: memory and flags as at the beginning. */
  RESET_MEMORY: 1,
  /** Several single-steps may stay at its address. */
  REPEATS: 2,
  /** Take everything, or the general registers and flags, from a state before it. */
  LOAD_ALL: 4,
  LOAD_GENERAL: 8,
} as const;
export const NO_LOAD = -1;

export const RESULT = {
  SIGNAL: 0,
  CODE: 1,
  ADDRESS: 2,
  CHANGES_AT: 4,
  CHANGES_COUNT: 5,
  STATUS: 6,
  /** Ours only: vector of the exception. */
  VECTOR: 7,
  STATE: 8,
} as const;
export const RESULT_WORDS = RESULT.STATE + STATE_WORDS;
/** SKIPPED: the host's program was elsewhere. LOST: it had ended. */
export const STATUS = { DONE: 0, SKIPPED: 1, LOST: 2 } as const;

/** Byte offsets of the exchange file's areas. */
const areas = (sizes: readonly number[]): number[] => sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
export const [IMAGE_AT, STEPS_AT, LOADS_AT, ADOPTED_AT, RESULTS_AT, CHANGES_AT] = areas([
  DATA_SIZE,
  MAX_STEPS * STEP_WORDS * 4,
  MAX_STEPS * STATE_WORDS * 4,
  MAX_CHANGES * 4,
  MAX_STEPS * RESULT_WORDS * 4,
  MAX_CHANGES * 4,
]) as [number, number, number, number, number, number];
