/**
 * Page tables in guest memory, for every format the kernels use: a list of levels says how an address selects entries. Entries are
 * written through the direct map like any other kernel memory.
 */
import type { Addr } from "../../cpu/state.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import type { KernelMemory } from "../memory.ts";
import { modulo } from "../memory.ts";

export const PTE = {
  PRESENT: 0x1n,
  RW: 0x2n,
  USER: 0x4n,
  PWT: 0x8n,
  PCD: 0x10n,
  ACCESSED: 0x20n,
  DIRTY: 0x40n,
  PSE: 0x80n,
  GLOBAL: 0x100n,
  /** Linux's _PAGE_PROTNONE: a page that exists but that no one may touch. Same bit as GLOBAL, used when not PRESENT. */
  PROTNONE: 0x100n,
  NX: 1n << 63n,
} as const;

export interface PageFormat {
  readonly name: string;
  readonly entrySize: 4 | 8;
  /** From the root down: lowest address bit of the index, and its width. */
  readonly levels: readonly { readonly shift: number; readonly bits: number }[];
  /** Flags of entries that point to tables, from the root down. */
  readonly tableFlags: readonly bigint[];
  readonly hasNx: boolean;
  /**
   * Under page table isolation: so many entries of a root, from the first on, are user space, and are in a second root too, a page
   * behind: the one that user mode runs on. In the kernel's nothing below them can execute.
   */
  readonly userRoot?: number;
}

const KERNPG_TABLE = PTE.PRESENT | PTE.RW | PTE.ACCESSED | PTE.DIRTY;
const TABLE = KERNPG_TABLE | PTE.USER;

export const FOUR_LEVEL: PageFormat = {
  name: "4-level",
  entrySize: 8,
  levels: [39, 30, 21, 12].map((shift) => ({ shift, bits: 9 })),
  tableFlags: [TABLE, TABLE, TABLE],
  hasNx: true,
};
/** As long as page table isolation is on. */
export const FOUR_LEVEL_ISOLATED: PageFormat = { ...FOUR_LEVEL, userRoot: 256 };
export const PAE: PageFormat = {
  name: "PAE",
  entrySize: 8,
  levels: [
    { shift: 30, bits: 2 },
    { shift: 21, bits: 9 },
    { shift: 12, bits: 9 },
  ],
  tableFlags: [PTE.PRESENT, TABLE],
  hasNx: true,
};
export const TWO_LEVEL: PageFormat = {
  name: "2-level",
  entrySize: 4,
  levels: [22, 12].map((shift) => ({ shift, bits: 10 })),
  tableFlags: [TABLE],
  hasNx: false,
};

/** kernel_to_user_pgdp(): the user's root, or an entry of it, from the kernel's. */
export const userPgd = (pgd: number): number => pgd + PAGE_SIZE;
/** Physical address in an entry. */
export const frameOf = (entry: bigint): number => Number(entry & 0x000f_ffff_ffff_f000n);
/** A leaf is in use if a page is there, even one that no one may touch. */
export const inUse = (entry: bigint): boolean => (entry & (PTE.PRESENT | PTE.PROTNONE)) !== 0n;

export class PageTables {
  readonly format: PageFormat;
  readonly #memory: KernelMemory;
  readonly #allocate: () => number | undefined;

  /** @param allocate gives a zeroed page for a table, undefined = out of memory. */
  constructor(memory: KernelMemory, format: PageFormat, allocate: () => number | undefined) {
    this.#memory = memory;
    this.format = format;
    this.#allocate = allocate;
  }

  /** Physical address of the entry at `level` (0 = root) for `addr`. Tables on the way are made if `create`. */
  entryAt(root: number, addr: Addr, level: number, create: boolean): number | undefined {
    let table = root;
    for (let i = 0; i < level; i++) {
      const at = table + this.#index(addr, i) * this.format.entrySize;
      let entry = this.read(at);
      if ((entry & PTE.PRESENT) === 0n) {
        if (!create) return undefined;
        const page = this.#allocate();
        if (page === undefined) return undefined;
        entry = BigInt(page) | this.format.tableFlags[i]!;
        if (i === 0) this.#writeRoot(at, this.#index(addr, 0), entry);
        else this.writeEntry(at, entry);
      } else if ((entry & PTE.PSE) !== 0n && i > 0) return undefined;
      table = frameOf(entry);
    }
    return table + this.#index(addr, level) * this.format.entrySize;
  }
  /** Physical address of the last-level entry. */
  leaf(root: number, addr: Addr, create: boolean): number | undefined {
    return this.entryAt(root, addr, this.format.levels.length - 1, create);
  }
  /** The last-level entry itself, 0 if there is none. */
  lookup(root: number, addr: Addr): bigint {
    const at = this.leaf(root, addr, false);
    return at === undefined ? 0n : this.read(at);
  }
  /** Sets the last-level entry; false = no memory for tables. */
  map(root: number, addr: Addr, pa: number, flags: bigint): boolean {
    const at = this.leaf(root, addr, true);
    if (at === undefined) return false;
    this.writeEntry(at, BigInt(pa) | (this.format.hasNx ? flags : flags & ~PTE.NX));
    return true;
  }

  read(at: number): bigint {
    return this.#memory.readScalar(this.#memory.virt(at), this.format.entrySize);
  }
  writeEntry(at: number, entry: bigint): void {
    this.#memory.writeScalar(this.#memory.virt(at), this.format.entrySize, entry);
  }

  /** pti_set_user_pgtbl(): what is user space goes to the user's root too. */
  #writeRoot(at: number, index: number, entry: bigint): void {
    const isShared = index < (this.format.userRoot ?? 0);
    this.writeEntry(at, isShared ? entry | PTE.NX : entry);
    if (isShared) this.writeEntry(userPgd(at), entry);
  }

  /** Calls `visit` for the last-level entries in use of a range; whole tables that are not there are passed over. */
  eachLeaf(root: number, start: Addr, end: Addr, visit: (at: number, entry: bigint, addr: Addr) => void): void {
    const { levels, entrySize } = this.format;
    const walk = (table: number, level: number, from: Addr, to: Addr) => {
      const span = 2 ** levels[level]!.shift;
      for (let addr = from; addr < to; addr = (Math.floor(addr / span) + 1) * span) {
        const at = table + this.#index(addr, level) * entrySize;
        const entry = this.read(at);
        if (level === levels.length - 1) {
          if (inUse(entry)) visit(at, entry, addr);
        } else if ((entry & PTE.PRESENT) !== 0n && (entry & PTE.PSE) === 0n) {
          walk(frameOf(entry), level + 1, addr, Math.min(to, (Math.floor(addr / span) + 1) * span));
        }
      }
    };
    walk(root, 0, start, end);
  }

  /** The tables below a range of root entries, with the pages that hold them: what exit_mmap gives back. */
  tablePages(root: number, firstIndex: number, lastIndex: number): number[] {
    const pages: number[] = [];
    const visit = (table: number, level: number, from: number, to: number) => {
      for (let i = from; i <= to; i++) {
        const entry = this.read(table + i * this.format.entrySize);
        if ((entry & PTE.PRESENT) === 0n || level + 1 >= this.format.levels.length) continue;
        visit(frameOf(entry), level + 1, 0, 2 ** this.format.levels[level + 1]!.bits - 1);
        pages.push(frameOf(entry));
      }
    };
    visit(root, 0, firstIndex, lastIndex);
    return pages;
  }

  #index(addr: Addr, level: number): number {
    const { shift, bits } = this.format.levels[level]!;
    return modulo(Math.floor(addr / 2 ** shift), 2 ** bits);
  }
}
