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

/** As a client keeps it: with its process where there are several. */
export function referenceTo(
  kernel: KernelAccess | undefined,
  cpu: Cpu,
  place: MemoryPlace,
  bits?: 16 | 32 | 64,
): string {
  const isAlone = kernel === undefined || kernel.processes().length < 2;
  return placeText(isAlone ? { address: place.address } : inProcess(kernel, cpu, place), bits);
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
