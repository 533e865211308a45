/**
 * What the client wants breakpoints on, and where that is now. A place may come later (code that is mapped later, a program that has
 * changed when it is restarted): what has become of a breakpoint is told by a `breakpoint` event, under the id it has always had.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Where } from "../debug/breakpoint-modes.ts";
import type { Breakpoint, BreakpointRequest, Breakpoints, Within } from "../debug/breakpoints.ts";

/** Where a breakpoint is, and what the client is told of it; without addresses and places it is nowhere yet. */
export interface Resolution {
  readonly addresses?: readonly number[];
  readonly within?: Within;
  readonly where?: readonly Where[] | undefined;
  readonly answer: Omit<DebugProtocol.Breakpoint, "id">;
}

export interface Wanted {
  readonly kind: Breakpoint["kind"];
  readonly request: BreakpointRequest;
  /** Looked at again and again. */
  readonly resolve: () => Resolution;
}

interface Bound extends Wanted {
  readonly id: number;
  last: Resolution;
  told: DebugProtocol.Breakpoint;
}

/** Why a breakpoint cannot be where it is wanted; `pending`: it may be later. */
export const refusal = (message: string, reason: "pending" | "failed" = "failed"): Resolution => ({
  answer: { verified: false, message, reason },
});

/** All there are (the program is another one), those that programs come and go under, or only those that are nowhere yet. */
export type Which = "all" | "in programs" | "unverified";

/** A place in another mode than linear is what it was when it was found. */
const isFixed = ({ told, last }: Bound): boolean => told.verified && last.where !== undefined;

export class Bindings {
  readonly #breakpoints: Breakpoints;
  readonly #groups = new Map<string, readonly Bound[]>();

  constructor(breakpoints: Breakpoints) {
    this.#breakpoints = breakpoints;
  }

  /** Replaces a group (a source's URI, "function", "instruction"), and gives the answers in order. */
  set(group: string, wanted: readonly Wanted[]): { breakpoints: DebugProtocol.Breakpoint[] } {
    const bound = wanted.map((each): Bound => {
      const id = this.#breakpoints.nextId();
      const last = each.resolve();
      return { ...each, id, last, told: { id, ...last.answer } };
    });
    this.#groups.set(group, bound);
    this.#arm(group, bound);
    return { breakpoints: bound.map(({ told }) => told) };
  }

  /** Looks places up again; `changed` hears of each breakpoint that is not what it was told to be. */
  rebind(which: Which, changed: (breakpoint: DebugProtocol.Breakpoint) => void): void {
    for (const [group, members] of this.#groups) {
      if (which === "unverified" && members.every(({ told }) => told.verified)) continue;
      for (const bound of members) if (which === "all" || !isFixed(bound)) bound.last = bound.resolve();
      this.#arm(group, members);
      for (const bound of members) {
        const now = { id: bound.id, ...bound.last.answer };
        if (JSON.stringify(now) === JSON.stringify(bound.told)) continue;
        bound.told = now;
        changed(now);
      }
    }
  }

  #arm(group: string, members: readonly Bound[]): void {
    const hits = new Map(this.#breakpoints.all.map((breakpoint) => [breakpoint.id, breakpoint.hits]));
    const armed = members.flatMap(({ id, kind, request, last: { addresses = [], where, within } }) => {
      if (addresses.length === 0 && where === undefined) return [];
      const breakpoint = this.#breakpoints.make(kind, addresses, request, { where, within, id });
      breakpoint.hits = hits.get(id) ?? 0;
      return [breakpoint];
    });
    this.#breakpoints.replace(group, armed);
  }
}
