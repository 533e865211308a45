/**
 * Places in memory as text that a client keeps. An address alone is meant in the process of the thread in focus; where there are several,
 * what we give out says whose it is: "0x0000000000402000@1001".
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import { hexAddr } from "./format.ts";
import type { KernelAccess } from "./target.ts";

export interface MemoryPlace {
  readonly address: Addr;
  /** pid of the process whose memory is meant; undefined: it is the same for all, or that of whom one looks at. */
  readonly process?: number | undefined;
}

/** What is said of no process is of that of a CPU's task. */
export const inProcess = <T extends MemoryPlace>(kernel: KernelAccess | undefined, cpu: Cpu, place: T): T =>
  place.process === undefined && kernel !== undefined && isOfProcess(kernel, place.address)
    ? { ...place, process: kernel.processOn(cpu) }
    : place;

const isOfProcess = ({ layout }: KernelAccess, address: Addr): boolean =>
  address >= 0 && address < layout.address.taskSizeMax;

/** So many references are remembered, the latest. */
const MOST_GIVEN = 4096;

/** References to memory as a client keeps them: with their process where there are several. */
export class GivenReferences {
  /** Those without one, from when there was one process alone: which that was. */
  readonly #given = new Map<string, number>();

  to(kernel: KernelAccess | undefined, cpu: Cpu, place: MemoryPlace, bits?: 16 | 32 | 64): string {
    if (kernel === undefined) return placeText({ address: place.address }, bits);
    const processes = kernel.processes();
    if (processes.length > 1) return placeText(inProcess(kernel, cpu, place), bits);
    const text = placeText({ address: place.address }, bits);
    if (processes.length === 1 && isOfProcess(kernel, place.address)) this.#note(text, processes[0]!);
    return text;
  }

  #note(text: string, process: number): void {
    if (this.#given.get(text) === process) return;
    this.#given.set(text, process);
    if (this.#given.size > MOST_GIVEN) this.#given.delete(this.#given.keys().next().value!);
  }

  /** What a reference means, be it one that has been given out or an address that a user has written. */
  placeOf(text: string): MemoryPlace | undefined {
    const place = parseReference(text);
    const process = place?.process ?? this.#given.get(text);
    return place && { ...place, process };
  }
}

export const placeText = ({ address, process }: MemoryPlace, bits?: 16 | 32 | 64): string =>
  `${hexAddr(address, bits)}${process === undefined ? "" : `@${process}`}`;

export function parseReference(text: string): MemoryPlace | undefined {
  const [, address, process] = /^\s*(0x[\da-f]+|\d+)(?:@(\d+))?\s*$/i.exec(text) ?? [];
  if (address === undefined) return undefined;
  return { address: bigToAddr(BigInt(address)), process: process === undefined ? undefined : Number(process) };
}

/** What a breakpoint in one process only is within (breakpoints.ts). */
export const processKey = (process: number | undefined): string => `process ${process}`;
