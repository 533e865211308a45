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
  told: DebugProtocol.Breakpoint;
}

/** Why a breakpoint cannot be where it is wanted; `pending`: it may be later. */
export const refusal = (message: string, reason: "pending" | "failed" = "failed"): Resolution => ({
  answer: { verified: false, message, reason },
});

export class Bindings {
  readonly #breakpoints: Breakpoints;
  readonly #groups = new Map<string, readonly Bound[]>();

  constructor(breakpoints: Breakpoints) {
    this.#breakpoints = breakpoints;
  }

  /** Replaces a group (a source's URI, "function", "instruction"), and gives the answers in order. */
  set(group: string, wanted: readonly Wanted[]): { breakpoints: DebugProtocol.Breakpoint[] } {
    const resolved = wanted.map((each) => {
      const id = this.#breakpoints.nextId();
      const resolution = each.resolve();
      return { bound: { ...each, id, told: { id, ...resolution.answer } }, resolution };
    });
    this.#groups.set(
      group,
      resolved.map(({ bound }) => bound),
    );
    this.#arm(
      group,
      resolved.map(({ bound, resolution }) => [bound, resolution]),
    );
    return { breakpoints: resolved.map(({ bound }) => bound.told) };
  }

  /** Looks all places up again, or those that are not verified; `changed` hears of each breakpoint that is not what it was told to be. */
  rebind(which: "all" | "unverified", changed: (breakpoint: DebugProtocol.Breakpoint) => void): void {
    for (const [group, members] of this.#groups) {
      if (which === "unverified" && members.every(({ told }) => told.verified)) continue;
      const resolved = members.map((bound) => [bound, bound.resolve()] as const);
      this.#arm(group, resolved);
      for (const [bound, { answer }] of resolved) {
        const now = { id: bound.id, ...answer };
        if (JSON.stringify(now) === JSON.stringify(bound.told)) continue;
        bound.told = now;
        changed(now);
      }
    }
  }

  #arm(group: string, resolved: readonly (readonly [Bound, Resolution])[]): void {
    const hits = new Map(this.#breakpoints.all.map((breakpoint) => [breakpoint.id, breakpoint.hits]));
    const armed = resolved.flatMap(([{ id, kind, request }, { addresses = [], where, within }]) => {
      if (addresses.length === 0 && where === undefined) return [];
      const breakpoint = this.#breakpoints.make(kind, addresses, request, { where, within, id });
      breakpoint.hits = hits.get(id) ?? 0;
      return [breakpoint];
    });
    this.#breakpoints.replace(group, armed);
  }
}
