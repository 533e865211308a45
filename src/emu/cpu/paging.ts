/**
 * The page walk: linear address to physical, in all of the processor's paging modes. It reads (and for accessed and dirty bits
 * writes) guest memory, and knows nothing of the TLB.
 */

import { PF_ERROR } from "./fault.ts";
import { CR0, CR4, EFER, EFLAGS, OFF } from "./layout.ts";
import type { PhysicalMemory } from "./phys.ts";

/**
 * What an access is, in the bits of a page fault's error code; IMPLICIT: a supervisor access that EFLAGS.AC does not excuse;
 * PEEK: a look from outside that no protection refuses.
 */
export const ACCESS = {
  READ: 0,
  WRITE: PF_ERROR.W,
  USER: PF_ERROR.U,
  EXEC: PF_ERROR.I,
  IMPLICIT: 0x100,
  PEEK: 0x200,
} as const;

const PTE = { P: 1, W: 2, U: 4, A: 0x20, D: 0x40, PS: 0x80, G: 0x100 } as const;
const NX_HIGH = 1 << 31;

interface Level {
  readonly shift: number;
  readonly name: string;
  /** A leaf is allowed here (beside level 0, which is always one). */
  readonly large: boolean;
}
interface PagingMode {
  readonly levels: readonly Level[];
  readonly entrySize: 4 | 8;
  readonly indexBits: number;
}

const LEGACY: PagingMode = {
  entrySize: 4,
  indexBits: 10,
  levels: [
    { shift: 22, name: "PDE", large: false },
    { shift: 12, name: "PTE", large: false },
  ],
};
const LEGACY_PSE: PagingMode = { ...LEGACY, levels: [{ shift: 22, name: "PDE", large: true }, LEGACY.levels[1]!] };
const PAE: PagingMode = {
  entrySize: 8,
  indexBits: 9,
  levels: [
    { shift: 30, name: "PDPTE", large: false },
    { shift: 21, name: "PDE", large: true },
    { shift: 12, name: "PTE", large: false },
  ],
};
const LONG: PagingMode = {
  entrySize: 8,
  indexBits: 9,
  levels: [
    { shift: 39, name: "PML4E", large: false },
    { shift: 30, name: "PDPTE", large: true },
    { shift: 21, name: "PDE", large: true },
    { shift: 12, name: "PTE", large: false },
  ],
};

/** Bits of a physical address that the processor has; entry bits above are reserved. */
export const PHYSICAL_BITS = 46;
const RESERVED_HIGH = ~((1 << (PHYSICAL_BITS - 32)) - 1) & 0x000f_ffff;

/** One entry met on the way, for views. */
export interface WalkStep {
  readonly level: string;
  readonly address: number;
  readonly low: number;
  readonly high: number;
}

/** The walk and its result. One per CPU, reused: read the fields before the next walk. */
export class PageWalk {
  private readonly mem: PhysicalMemory;
  phys = 0;
  global = false;
  large = false;
  /** Why the last walk failed, and the fault's error code. */
  why = "";
  error = 0;
  private readonly entries: number[] = [0, 0, 0, 0];
  private count = 0;
  private lowEntry = 0;
  private highEntry = 0;

  constructor(mem: PhysicalMemory) {
    this.mem = mem;
  }

  private mode(): PagingMode {
    const cr4 = this.mem.get32(OFF.CR4);
    if (!(cr4 & CR4.PAE)) return cr4 & CR4.PSE ? LEGACY_PSE : LEGACY;
    return this.mem.get32(OFF.EFER) & EFER.LMA ? LONG : PAE;
  }

  private readEntry(at: number, size: 4 | 8): void {
    this.lowEntry = this.mem.physRead(at, size) | 0;
    this.highEntry = size === 8 ? this.mem.high : 0;
  }

  /**
   * Translates; true = `phys` is valid. With `commit`, accessed and dirty bits are set once everything has been checked. A walk
   * that fails changes nothing.
   */
  run(low: number, high: number, access: number, commit: boolean): boolean {
    const { mem } = this;
    const cr0 = mem.get32(OFF.CR0);
    if (!(cr0 & CR0.PG)) {
      this.phys = low >>> 0;
      this.global = false;
      this.large = false;
      return true;
    }
    const mode = this.mode();
    const long = mode === LONG;
    const cr3Low = mem.get32(OFF.CR3);
    let table = (mode === PAE ? cr3Low & ~0x1f : cr3Low & ~0xfff) >>> 0;
    if (long) table += (mem.get32(OFF.CR3 + 4) & 0x000f_ffff) * 0x1_0000_0000;
    const nxe = (mem.get32(OFF.EFER) & EFER.NXE) !== 0;
    let user = true;
    let writable = true;
    let noExec = false;
    this.count = 0;
    for (const level of mode.levels) {
      const index = indexAt(low, high, level.shift, mode.indexBits);
      const at = table + index * mode.entrySize;
      this.readEntry(at, mode.entrySize);
      const lo = this.lowEntry;
      const hi = this.highEntry;
      if (!(lo & PTE.P)) return this.fail(access, 0, `${level.name} of the page is not present`);
      const bare = mode === PAE && level.shift === 30;
      const leaf = level.shift === 12 || (level.large && (lo & PTE.PS) !== 0);
      if (mode.entrySize === 8 && this.reservedSet(lo, hi, level, leaf, bare, nxe)) {
        return this.fail(access, PF_ERROR.P | PF_ERROR.RSVD, `a reserved bit is set in the ${level.name}`);
      }
      if (!bare) {
        user &&= (lo & PTE.U) !== 0;
        writable &&= (lo & PTE.W) !== 0;
        noExec ||= nxe && (hi & NX_HIGH) !== 0;
        this.entries[this.count++] = at;
      }
      if (leaf) return this.leaf(low, lo, hi, level.shift, mode, access, user, writable, noExec, commit);
      table = ((lo & ~0xfff) >>> 0) + (hi & 0x000f_ffff) * 0x1_0000_0000;
    }
    throw new Error("page walk without a leaf");
  }

  private reservedSet(lo: number, hi: number, level: Level, leaf: boolean, bare: boolean, nxe: boolean): boolean {
    if (hi & RESERVED_HIGH) return true;
    if (hi & NX_HIGH && (bare || !nxe)) return true;
    if (bare) return (lo & 0x1e6) !== 0;
    if (!leaf) return level.shift !== 12 && !level.large && (lo & PTE.PS) !== 0;
    if (level.shift === 21) return (lo & 0x001f_e000) !== 0;
    if (level.shift === 30) return (lo & 0x3fff_e000) !== 0;
    return false;
  }

  private leaf(
    low: number,
    lo: number,
    hi: number,
    shift: number,
    mode: PagingMode,
    access: number,
    user: boolean,
    writable: boolean,
    noExec: boolean,
    commit: boolean,
  ): boolean {
    const denied = this.denied(access, user, writable, noExec);
    if (denied) return this.fail(access, PF_ERROR.P, denied);
    const cr4 = this.mem.get32(OFF.CR4);
    const inPage = shift >= 31 ? -1 : (1 << shift) - 1;
    let highPart = hi & 0x000f_ffff;
    // PSE-36: bits 20:13 of a 4 MiB entry are address bits 39:32.
    if (mode.entrySize === 4 && shift === 22) highPart = (lo >>> 13) & 0xff;
    const frame = shift === 12 ? lo & ~0xfff : lo & ~inPage;
    this.phys = ((frame | (low & inPage)) >>> 0) + highPart * 0x1_0000_0000;
    this.large = shift !== 12;
    this.global = (lo & PTE.G) !== 0 && (cr4 & CR4.PGE) !== 0;
    if (commit) this.mark((access & ACCESS.WRITE) !== 0);
    return true;
  }

  /** The sentence that says why the access is not permitted, or undefined. */
  private denied(access: number, user: boolean, writable: boolean, noExec: boolean): string | undefined {
    const { mem } = this;
    if (access & ACCESS.PEEK) return undefined;
    if (access & ACCESS.USER) {
      if (!user) return "user access to a supervisor page";
      if (access & ACCESS.WRITE && !writable) return "write to a read-only page";
    } else {
      if (access & ACCESS.WRITE && !writable && mem.get32(OFF.CR0) & CR0.WP)
        return "supervisor write to a read-only page with CR0.WP set";
      if (user && access & ACCESS.EXEC && mem.get32(OFF.CR4) & CR4.SMEP)
        return "supervisor fetch from a user page with CR4.SMEP set";
      if (user && !(access & ACCESS.EXEC) && mem.get32(OFF.CR4) & CR4.SMAP) {
        const excused = !(access & ACCESS.IMPLICIT) && mem.get32(OFF.EFLAGS) & EFLAGS.AC;
        if (!excused) return "supervisor access to a user page with CR4.SMAP set and EFLAGS.AC clear";
      }
    }
    if (access & ACCESS.EXEC && noExec) return "fetch from a page that is not executable";
    return undefined;
  }

  private fail(access: number, bits: number, why: string): false {
    const { mem } = this;
    const fetchShown =
      mem.get32(OFF.CR4) & CR4.SMEP || (mem.get32(OFF.CR4) & CR4.PAE && mem.get32(OFF.EFER) & EFER.NXE);
    this.error = bits | (access & (PF_ERROR.W | PF_ERROR.U)) | (fetchShown ? access & PF_ERROR.I : 0);
    this.why = why;
    return false;
  }

  /** Sets the accessed bit along the way, and the dirty bit in the leaf. */
  private mark(write: boolean): void {
    const { mem } = this;
    for (let i = 0; i < this.count; i++) {
      const at = this.entries[i]!;
      const old = mem.physRead(at, 4);
      const want = old | PTE.A | (write && i === this.count - 1 ? PTE.D : 0);
      if (want >>> 0 !== old) mem.physWrite(at, 4, want);
    }
  }

  /** The entries on the way to a linear address, as far as they are present. No side effects. */
  steps(low: number, high: number): WalkStep[] {
    const { mem } = this;
    if (!(mem.get32(OFF.CR0) & CR0.PG)) return [];
    const mode = this.mode();
    const cr3Low = mem.get32(OFF.CR3);
    let table = (mode === PAE ? cr3Low & ~0x1f : cr3Low & ~0xfff) >>> 0;
    if (mode === LONG) table += (mem.get32(OFF.CR3 + 4) & 0x000f_ffff) * 0x1_0000_0000;
    const steps: WalkStep[] = [];
    for (const level of mode.levels) {
      const address = table + indexAt(low, high, level.shift, mode.indexBits) * mode.entrySize;
      if (!mem.isRam(address, mode.entrySize)) break;
      this.readEntry(address, mode.entrySize);
      const { lowEntry, highEntry } = this;
      steps.push({ level: level.name, address, low: lowEntry, high: highEntry });
      if (!(lowEntry & PTE.P) || (level.large && lowEntry & PTE.PS)) break;
      table = ((lowEntry & ~0xfff) >>> 0) + (highEntry & 0x000f_ffff) * 0x1_0000_0000;
    }
    return steps;
  }
}

function indexAt(low: number, high: number, shift: number, bits: number): number {
  const mask = (1 << bits) - 1;
  if (shift >= 32) return (high >>> (shift - 32)) & mask;
  if (shift + bits <= 32) return (low >>> shift) & mask;
  // PAE's two-bit and the 64-bit mode's nine-bit index at bit 30.
  return ((low >>> shift) | (high << (32 - shift))) & mask;
}
