/**
 * Where the state of one processor lives inside the one WebAssembly.Memory of a machine.
 *
 * All offsets are in bytes from the CPU's base. 64-bit fields are little-endian pairs of 32-bit halves, so that TypeScript
 * (Int32Array), and compiled code (i64 loads) read the same bytes without conversion. Nothing here is allocated at run time.
 */

/** Bytes reserved for one CPU: registers, then three TLBs. Guest RAM starts after the last CPU, 64 KiB aligned. */
export const CPU_STRIDE = 0x20000;

export const OFF = {
  /** 16 general registers, u64 each, in encoding order RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. */
  GPR: 0x000,
  RIP: 0x080,
  /** u32. Bits outside the arithmetic six are always current; the six are current only where LF_MASK has a 0. */
  EFLAGS: 0x088,
  /** Lazy flags: kind and size of the last flag-setting operation (flags.ts), u32. */
  LF_OP: 0x08c,
  LF_RES: 0x090,
  LF_A: 0x098,
  LF_B: 0x0a0,
  /** u32: which of CF PF AF ZF SF OF (as an EFLAGS mask) are to be computed from LF_*. */
  LF_MASK: 0x0a8,
  /** u32: the prefetched-mode key the current code was decoded under (mode.ts). */
  MODE: 0x0ac,
  /** u64: instructions retired since reset. The machine's clock. */
  ICOUNT: 0x0b0,
  /** u32: instructions left in the present slice. */
  BUDGET: 0x0b8,
  /** u32: byte offset (from the CPU's base) of the TLB for the present privilege: see TLB. */
  TLB_BASE: 0x0bc,
  /** u32: interrupts are inhibited while ICOUNT's low word equals this (shadow of MOV SS, POP SS, STI). */
  SHADOW: 0x0c0,
  SHADOW_KIND: 0x0c4,
  /** u32 activity state: 0 running, 1 HLT, 2 shutdown (triple fault), 3 wait-for-SIPI. */
  ACTIVITY: 0x0c8,
  /** u32: 1 while NMIs are blocked (from NMI delivery to the next IRET). */
  NMI_BLOCKED: 0x0cc,
  /** u32 bits: 1 = NMI pending, 2 = #MC pending, 4 = INTR line raised, 8 = debug trap of the last instruction pending. */
  PENDING: 0x0d0,
  CPL: 0x0d4,
  /** u32: DR6 bits of the debug trap that is pending (PENDING bit 8). */
  PENDING_DEBUG: 0x0d8,

  /** 8 segment registers (SEG order below), SEG_STRIDE bytes each. */
  SEG: 0x100,
  GDTR_BASE: 0x300,
  GDTR_LIMIT: 0x308,
  IDTR_BASE: 0x310,
  IDTR_LIMIT: 0x318,
  CR0: 0x320,
  CR2: 0x328,
  CR3: 0x330,
  CR4: 0x338,
  CR8: 0x340,
  XCR0: 0x348,
  /** DR0..DR7, u64 each. */
  DR: 0x350,
  EFER: 0x390,
  STAR: 0x398,
  LSTAR: 0x3a0,
  CSTAR: 0x3a8,
  SFMASK: 0x3b0,
  KERNEL_GS_BASE: 0x3b8,
  SYSENTER_CS: 0x3c0,
  SYSENTER_ESP: 0x3c8,
  SYSENTER_EIP: 0x3d0,
  TSC_AUX: 0x3d8,
  /** u64 added to ICOUNT by RDTSC. */
  TSC_OFFSET: 0x3e0,
  PAT: 0x3e8,
  APIC_BASE: 0x3f0,
  MISC_ENABLE: 0x3f8,
  DEBUGCTL: 0x400,
  UMWAIT_CONTROL: 0x408,
  /** x87: ST(0)..ST(7) physical registers R0..R7, 16 bytes each (10 used). */
  X87: 0x500,
  FCW: 0x580,
  FSW: 0x584,
  /** Full tag word, 2 bits a register. */
  FTW: 0x588,
  FOP: 0x58c,
  FIP: 0x590,
  FDP: 0x598,
  FCS: 0x5a0,
  FDS: 0x5a4,
  MXCSR: 0x5a8,
  /** YMM0..YMM15, 32 bytes each. */
  YMM: 0x600,
  /** Three TLBs of TLB_ENTRIES * TLB_STRIDE bytes: user, supervisor, supervisor with EFLAGS.AC set (matters under SMAP). */
  TLB: 0x1000,
} as const;

/** What belongs to a snapshot: everything before the TLBs. The rest of a CPU's bytes is derived and may be dropped at any time. */
export const STATE_BYTES = OFF.TLB;
/** Temporaries of tier 0, in the CPU's own bytes after its TLBs; never part of a snapshot. */
export const TEMPS = 0x19000;
export const TEMP_COUNT = 256;
/** u32: number of the present code context (mode, CS base and limit): what decoded and compiled code depends on besides its bytes. */
export const CONTEXT = 0x19800;
/** u32: how breakpoints are armed (contract.ts, ARMED); not part of the guest's state. */
export const ARMING = 0x19804;
/** Tier 1's table of entries by RIP (tier1/jumps.ts): JUMP_ENTRIES of JUMP_STRIDE bytes, also derived. */
export const JUMPS = 0x1a000;
export const JUMP_ENTRIES = 512;
export const JUMP_STRIDE = 32;

/** Translations for a debugger's looks from compiled code (mmu.ts, fillPeek): PEEK_ENTRIES like those of a TLB, with read tags only. */
export const PEEKS = 0x1e000;
export const PEEK_ENTRIES = 64;

/**
 * A byte for each offset in a page: the sizes (1, 2, 4, 8, or-ed) of the accesses from there that touch watched bytes, in whichever page;
 * derived too. Only pages with TAG_WATCHED in their tags are asked about.
 */
export const WATCH_MAP = 0x1f000;

export const SEG_STRIDE = 0x40;
/** Segment registers in encoding order, then LDTR and TR. */
export const SEG = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, LDTR: 6, TR: 7 } as const;
export type SegIndex = (typeof SEG)[keyof typeof SEG];

/** Fields of one segment register: the visible selector, then its hidden part. Offsets from the register's start. */
export const SEGF = {
  SELECTOR: 0x00,
  /**
   * u32: bits 0-7 type/S/DPL/P and 12-15 AVL/L/D/G exactly as in a descriptor's second dword >> 8; bit 16 (SEG_NULL) set when the
   * register holds a null selector or is otherwise unusable.
   */
  ATTR: 0x04,
  /** u32, byte granular (already scaled by G). */
  LIMIT: 0x08,
  BASE: 0x10,
  /**
   * Bounds of permitted offsets outside 64-bit mode, inclusive, u32, derived from limit and attributes when the register is
   * loaded, so that one compare each serves expand-up, expand-down, read-only and null: first > last means that nothing is permitted.
   */
  READ_FIRST: 0x18,
  READ_LAST: 0x1c,
  WRITE_FIRST: 0x20,
  WRITE_LAST: 0x24,
} as const;
export const SEG_NULL = 0x10000;

/** TLB geometry: direct mapped, index = linear page number modulo TLB_ENTRIES. */
export const TLB_ENTRIES = 1024;
export const TLB_STRIDE = 32;
export const TLB_BYTES = TLB_ENTRIES * TLB_STRIDE;
/**
 * One TLB entry. A tag is the 64-bit linear page address, or TLB_NONE for "take the slow path". A write tag is only installed when the
 * page's dirty bits (PTE and the machine's own) are set and the page holds no decoded code. A tag with the bits of TAG_WATCHED set is of
 * a page with watched bytes, good for accesses that keep off these.
 */
export const TLBF = {
  READ_TAG: 0,
  WRITE_TAG: 8,
  EXEC_TAG: 16,
  /** i32: add to the linear address's low half to get the byte offset in the WebAssembly.Memory. */
  ADDEND: 24,
  /** u32: physical page number, and TLB_GLOBAL, TLB_LARGE. */
  FRAME: 28,
} as const;

/** All bits of an offset in the page: an address or-ed with it is compared with the tag at once. */
export const TAG_WATCHED = 0xfff;
/** In both halves of a tag: no address has it, watched or not. In FRAME: the entry is not in use. */
export const TLB_NONE = -2;
export const TLB_GLOBAL = 1 << 31;
export const TLB_LARGE = 1 << 30;
/** The page number in FRAME. */
export const TLB_FRAME_MASK = ~(TLB_GLOBAL | TLB_LARGE);

export const GPR = {
  RAX: 0,
  RCX: 1,
  RDX: 2,
  RBX: 3,
  RSP: 4,
  RBP: 5,
  RSI: 6,
  RDI: 7,
  R8: 8,
  R9: 9,
  R10: 10,
  R11: 11,
  R12: 12,
  R13: 13,
  R14: 14,
  R15: 15,
} as const;

export const EFLAGS = {
  CF: 1 << 0,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  IOPL: 3 << 12,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
  /** Bit 1 always reads as 1. */
  FIXED: 1 << 1,
} as const;
export const ARITH_FLAGS = EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF;

export const CR0 = {
  PE: 1,
  MP: 2,
  EM: 4,
  TS: 8,
  ET: 16,
  NE: 32,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 1 << 31,
} as const;
export const CR4 = {
  VME: 1,
  PVI: 2,
  TSD: 4,
  DE: 8,
  PSE: 16,
  PAE: 32,
  MCE: 64,
  PGE: 128,
  PCE: 256,
  OSFXSR: 512,
  OSXMMEXCPT: 1024,
  UMIP: 1 << 11,
  LA57: 1 << 12,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  OSXSAVE: 1 << 18,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
  PKE: 1 << 22,
} as const;
export const EFER = { SCE: 1, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11, SVME: 1 << 12, FFXSR: 1 << 14 } as const;
