/** Places in code that must not simply be run over: breakpoints, probes and what debug registers name, by linear address. */
import type { Addr } from "./state.ts";

/** Kinds of marks, as bits. */
export const SPECIAL = { BREAKPOINT: 1, PROBE: 2, DEBUG: 4 } as const;

export class Marks {
  private readonly kinds = new Map<Addr, number>();

  at(addr: Addr): number {
    return this.kinds.get(addr) ?? 0;
  }

  /** Replaces one kind of mark; gives the addresses that it came to or went from. */
  replace(kind: number, addresses: Iterable<Addr>): Addr[] {
    const wanted = new Set(addresses);
    const changed: Addr[] = [];
    for (const [addr, kinds] of this.kinds) {
      if (!(kinds & kind) || wanted.has(addr)) continue;
      changed.push(addr);
      if (kinds === kind) this.kinds.delete(addr);
      else this.kinds.set(addr, kinds & ~kind);
    }
    for (const addr of wanted) {
      const kinds = this.at(addr);
      if (kinds & kind) continue;
      changed.push(addr);
      this.kinds.set(addr, kinds | kind);
    }
    return changed;
  }
}
