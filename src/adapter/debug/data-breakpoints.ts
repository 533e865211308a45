/**
 * Data breakpoints: any range of memory, a kernel field or a single bit of it. The processor reports accesses by instructions, the
 * kernel those of its up-calls with their name. "write" means that the value changed.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import type { WatchRange } from "../../emu/cpu/watch.ts";
import { hex } from "./format.ts";
import { peekValue, physicalValue, translate } from "./guest-memory.ts";
import { type MemoryPlace, parseReference, placeText } from "./memory-place.ts";

export type DataAccess = "read" | "write" | "readWrite";
/** "write" is a change; a search for the last writer wants every write. */
type Watching = DataAccess | "everyWrite";

/** What is watched: up to 8 bytes and the bits of them that count. As text it is the protocol's dataId. */
export interface DataPlace extends MemoryPlace {
  readonly bytes: number;
  readonly mask: bigint;
  /** The address is physical: accesses through every alias count. */
  readonly physical?: boolean;
}

export interface DataBreakpoint extends DataPlace {
  readonly id: number;
  readonly access: Watching;
  readonly condition?: string | undefined;
  readonly hitCondition?: string | undefined;
  hits?: number;
}

/** A CPU that a place is seen from; undefined while its process has no memory. */
export type View = (place: MemoryPlace) => Cpu | undefined;

export interface DataHit {
  readonly ids: readonly number[];
  /** "0x0 -> 0x2", or the value that was read. */
  readonly change: string;
  readonly verb: "written" | "read";
  /** The up-call that did it; undefined for an instruction. */
  readonly by: string | undefined;
}

/** Bytes that were read or written, in one page. */
export interface Access {
  readonly address: Addr;
  readonly physical: number | undefined;
  readonly size: number;
}

/** A range longer than a page is not looked through at each access. */
export const MOST_BYTES = 4096;

export const allBits = (bytes: number): bigint => (1n << BigInt(bytes * 8)) - 1n;

export const dataId = ({ bytes, mask, physical, ...place }: DataPlace): string =>
  `${placeText(place)}/${bytes}/${hex(mask)}${physical === true ? "/physical" : ""}`;

/** undefined if the text is no dataId of ours. */
export function parseDataId(text: string): DataPlace | undefined {
  const match = /^(0x[\da-f]+(?:@\d+)?)\/([1-9]\d{0,3})\/(0x[\da-f]+)(\/physical)?$/.exec(text);
  if (match === null) return undefined;
  return {
    ...parseReference(match[1]!)!,
    bytes: Math.min(Number(match[2]), MOST_BYTES),
    mask: BigInt(match[3]!),
    ...(match[4] === undefined ? {} : { physical: true }),
  };
}

export class DataBreakpoints {
  #breakpoints: readonly DataBreakpoint[] = [];
  #version = 0;
  readonly #values = new Map<number, bigint | undefined>();
  /** Whether its condition holds now; whoever runs the program says so. */
  meets: (breakpoint: DataBreakpoint) => boolean = () => true;

  get all(): readonly DataBreakpoint[] {
    return this.#breakpoints;
  }

  /** They, not hit yet. */
  afresh(): DataBreakpoint[] {
    return this.#breakpoints.map((each) => ({ ...each, hits: 0 }));
  }

  get any(): boolean {
    return this.#breakpoints.length > 0;
  }

  /** Changes with every change of them. */
  get version(): number {
    return this.#version;
  }

  replace(breakpoints: readonly DataBreakpoint[], view: View): void {
    this.#breakpoints = breakpoints;
    this.#version++;
    this.remember(view);
  }

  /** Takes the present values as those that a change is a change from. */
  remember(view: View): void {
    this.#values.clear();
    for (const each of this.#breakpoints) this.#values.set(each.id, watchedValue(view(each), each));
  }

  ranges(): WatchRange[] {
    return this.#breakpoints.map(({ address, bytes, access, physical = false }) => ({
      start: address,
      length: bytes,
      physical,
      read: access === "read" || access === "readWrite",
      write: access !== "read",
    }));
  }

  touches(access: Access): boolean {
    return this.#breakpoints.some((each) => overlaps(each, access));
  }

  /** After an access: which breakpoints want to stop; undefined if none does. */
  accessed(view: View, access: Access, write: boolean, by: string | undefined): DataHit | undefined {
    const ids: number[] = [];
    let change = "";
    for (const each of this.#breakpoints.filter((one) => overlaps(one, access))) {
      const cpu = view(each);
      if (!isMeant(each, cpu, access)) continue;
      const before = this.#values.get(each.id);
      const after = watchedValue(cpu, each);
      this.#values.set(each.id, after);
      if (!wants(each, write, before !== after) || !this.meets(each)) continue;
      ids.push(each.id);
      if (each.bytes > WIDEST_SHOWN) change ||= `${access.size} of ${each.bytes} bytes`;
      else change ||= write ? `${shown(before)} -> ${shown(after)}` : shown(after);
    }
    return ids.length === 0 ? undefined : { ids, change, verb: write ? "written" : "read", by };
  }
}

/** The same address may be other memory in another process. Before its process was forked, its memory was that of another. */
function isMeant({ process, access: wanted }: DataBreakpoint, cpu: Cpu | undefined, access: Access): boolean {
  if (process === undefined || access.physical === undefined) return true;
  return cpu === undefined ? wanted === "everyWrite" : translate(cpu, access.address) === access.physical;
}

function wants({ access }: DataBreakpoint, write: boolean, changed: boolean): boolean {
  if (!write) return access === "read" || access === "readWrite";
  return access === "write" ? changed : access !== "read";
}

function overlaps({ address, bytes, physical }: DataPlace, access: Access): boolean {
  const from = physical === true ? access.physical : access.address;
  return from !== undefined && from < address + bytes && from + access.size > address;
}

function watchedValue(cpu: Cpu | undefined, { address, bytes, mask, physical }: DataPlace): bigint | undefined {
  if (cpu === undefined) return undefined;
  const value = physical === true ? physicalValue(cpu, address, bytes) : peekValue(cpu, address, bytes);
  return value === undefined ? undefined : value & mask;
}

/** Longer ranges are not shown as a number. */
const WIDEST_SHOWN = 16;

const shown = (value: bigint | undefined): string => (value === undefined ? "not mapped" : hex(value));
