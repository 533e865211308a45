/**
 * Contents of RAM at an instant, as a persistent table: pages and whole stretches of them are shared between tables while they are
 * the same, so that a new table costs what has changed. Tables that are let go give their pages back for the next ones; a table that
 * is merely forgotten is the garbage collector's.
 */
import { PAGE_SIZE } from "../cpu/memory.ts";

/** Pages of one stretch, by their number in it. */
const STRETCH = 256;
const WORDS = PAGE_SIZE / 4;
/** Pages are allocated so many at a time. */
const AT_ONCE = 256;
/** One word in so many is looked at: each is a cache miss. */
const LOOK = 127;

interface Page {
  readonly words: Int32Array;
  holders: number;
}

interface Stretch {
  readonly pages: (Page | undefined)[];
  holders: number;
}

export class PageTable {
  /** @internal */
  readonly stretches: (Stretch | undefined)[];

  constructor(stretches: (Stretch | undefined)[]) {
    this.stretches = stretches;
  }

  /** What the page held; undefined if it was never written. */
  get(page: number): Int32Array | undefined {
    return this.stretches[Math.floor(page / STRETCH)]?.pages[page % STRETCH]?.words;
  }

  /** Does the page seem to hold now what it held? A look at some of its words. */
  seemsSame(page: number, ram: Int32Array): boolean {
    const words = this.get(page);
    if (words === undefined) return false;
    const start = page * WORDS;
    for (let i = 0; i < WORDS; i += LOOK) if (words[i] !== ram[start + i]) return false;
    return true;
  }

  /** Pages that differ, or may, from those of `other`. */
  *differences(other: PageTable | undefined): Generator<number> {
    const count = Math.max(this.stretches.length, other?.stretches.length ?? 0);
    for (let s = 0; s < count; s++) {
      const [mine, theirs] = [this.stretches[s], other?.stretches[s]];
      if (mine === theirs) continue;
      for (let i = 0; i < STRETCH; i++) if (mine?.pages[i] !== theirs?.pages[i]) yield s * STRETCH + i;
    }
  }
}

/** Makes tables and takes them back; one a machine. */
export class PageStore {
  readonly #free: Int32Array[] = [];
  #pages = 0;

  /** Bytes of pages in tables that have not been let go. */
  get bytes(): number {
    return this.#pages * PAGE_SIZE;
  }

  /** A table like `last`, but for `changed` pages, whose contents are in `ram` now. */
  derive(last: PageTable | undefined, changed: Iterable<number>, ram: Int32Array): PageTable {
    const stretches = last === undefined ? [] : last.stretches.slice();
    const own = new Set<Stretch>();
    for (const page of changed) {
      const s = Math.floor(page / STRETCH);
      let stretch = stretches[s];
      if (stretch === undefined || !own.has(stretch)) {
        stretch = this.#copy(stretch);
        own.add(stretch);
        while (stretches.length < s) stretches.push(undefined);
        stretches[s] = stretch;
      }
      const at = page % STRETCH;
      const replaced = stretch.pages[at];
      if (replaced !== undefined) this.#drop(replaced);
      stretch.pages[at] = this.#keep(ram, page * WORDS);
    }
    return this.share(new PageTable(stretches));
  }

  /** The same table once more, to be let go on its own. */
  share({ stretches }: PageTable): PageTable {
    for (const stretch of stretches) if (stretch !== undefined) stretch.holders++;
    return new PageTable(stretches);
  }

  /** Nobody will ask this table again. */
  letGo(table: PageTable): void {
    for (const stretch of table.stretches) {
      if (stretch === undefined || --stretch.holders > 0) continue;
      for (const page of stretch.pages) if (page !== undefined) this.#drop(page);
    }
  }

  #copy(stretch: Stretch | undefined): Stretch {
    if (stretch === undefined) return { pages: new Array(STRETCH).fill(undefined), holders: 0 };
    for (const page of stretch.pages) if (page !== undefined) page.holders++;
    return { pages: stretch.pages.slice(), holders: 0 };
  }

  #keep(ram: Int32Array, start: number): Page {
    if (this.#free.length === 0) this.#allocate();
    const words = this.#free.pop()!;
    words.set(ram.subarray(start, start + WORDS));
    this.#pages++;
    return { words, holders: 1 };
  }

  #allocate(): void {
    const slab = new Int32Array(AT_ONCE * WORDS);
    for (let i = AT_ONCE - 1; i >= 0; i--) this.#free.push(slab.subarray(i * WORDS, (i + 1) * WORDS));
  }

  #drop(page: Page): void {
    if (--page.holders > 0) return;
    this.#free.push(page.words);
    this.#pages--;
  }
}
