/**
 * The shape of a region's code: WebAssembly has no goto, so blocks (numbered in address order) are laid out one after the other,
 * wrapped in loops where a branch goes back. Branches ahead leave enclosing blocks, branches back go to a loop's head, and a branch
 * into the middle of a loop goes through the dispatch at its head.
 */

/** Blocks first..last. A loop's head is its first block; a single block may be a loop too. */
export interface Item {
  readonly first: number;
  readonly last: number;
  readonly loop: boolean;
  /** The parts of an item of more than one block, in order. */
  readonly items: readonly Item[];
}

/** Last block of the loop at each head: the farthest branch back to it, stretched until loops nest. */
function loopEnds(count: number, successors: readonly (readonly number[])[]): (number | undefined)[] {
  const ends: (number | undefined)[] = new Array(count).fill(undefined);
  successors.forEach((targets, from) => {
    for (const to of targets) if (to <= from) ends[to] = Math.max(ends[to] ?? 0, from);
  });
  for (let changed = true; changed; ) {
    changed = false;
    for (let outer = 0; outer < count; outer++) {
      const end = ends[outer];
      if (end === undefined) continue;
      for (let inner = outer + 1; inner <= end; inner++) {
        const innerEnd = ends[inner];
        if (innerEnd === undefined || innerEnd <= ends[outer]!) continue;
        ends[outer] = innerEnd;
        changed = true;
      }
    }
  }
  return ends;
}

/** `successors`: for each block the region's blocks that it may branch to. */
export function shapeOf(count: number, successors: readonly (readonly number[])[]): Item {
  const ends = loopEnds(count, successors);
  const sequence = (first: number, last: number, head: boolean): Item[] => {
    const items: Item[] = [];
    for (let i = first; i <= last; ) {
      // The head of the loop that is being taken apart is a plain block inside of it.
      const end = head && i === first ? undefined : ends[i];
      const to = end ?? i;
      items.push({ first: i, last: to, loop: end !== undefined, items: to > i ? sequence(i, to, true) : [] });
      i = to + 1;
    }
    return items;
  };
  return { first: 0, last: count - 1, loop: false, items: sequence(0, count - 1, false) };
}
