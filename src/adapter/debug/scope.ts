/** What names mean in an expression: registers first, then kernel fields, then symbols. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { SEG, type SegIndex } from "../../emu/cpu/layout.ts";
import { type Addr, addrToBig, bigToAddr, isCanonical } from "../../emu/cpu/state.ts";
import type { Scope } from "./expression.ts";
import type { SegmentName } from "./expression-tree.ts";
import { frameReference } from "./frame-registers.ts";
import { peekValue, pokeValue } from "./guest-memory.ts";
import { kernelReference } from "./kernel-fields.ts";
import type { Reference } from "./reference.ts";
import { codeBits, registerReference } from "./registers.ts";
import type { Frame } from "./stack.ts";
import type { Target } from "./target.ts";

export interface Addresses {
  address(name: string): Addr | undefined;
}

/** What names are looked up in. */
export interface Names {
  readonly kernel: Target["kernel"];
  symbols(cpu: Cpu): Addresses;
}

/** @param frame the frame whose registers are meant; those of the running one if not said. */
export function expressionScope(target: Names, cpu: Cpu, frame?: Frame): Scope {
  return {
    name: (name) =>
      (frame && frameReference(target.kernel, cpu, frame, name)) ??
      registerReference(cpu, name) ??
      (target.kernel === undefined ? undefined : kernelReference(target.kernel, cpu, name)) ??
      symbolReference(target.symbols(cpu), name),
    memory: (segment, offset, bytes, process) => {
      const address = linearAddress(cpu, segment, offset, frame);
      if (process === undefined) return memoryReference(cpu, address, bytes);
      return address === undefined
        ? memoryReference(cpu, undefined, bytes)
        : processMemory(() => target.kernel?.seenFromProcess(process), process, address, bytes);
    },
    wordBytes: ((frame?.bits ?? codeBits(cpu)) / 8) as 2 | 4 | 8,
  };
}

function symbolReference(symbols: Addresses, name: string): Reference | undefined {
  const address = symbols.address(name);
  return address === undefined ? undefined : { bits: 64, read: () => addrToBig(address), address, fixed: true };
}

/** Memory of one process: whom it is seen from is asked each time, as one stand-in serves all that wait. */
function processMemory(view: () => Cpu | undefined, process: number, address: Addr, bytes: number): Reference {
  const seen = (): Reference | undefined => {
    const cpu = view();
    return cpu && memoryReference(cpu, address, bytes);
  };
  const write = (value: bigint): void => {
    const there = seen();
    if (there === undefined) throw new RangeError(`there is no process ${process} now`);
    there.write!(value);
  };
  return { bits: bytes * 8, read: () => seen()?.read(), write, address, process };
}

/** Bytes of memory as a value. An address that is not canonical reads as nothing. */
export function memoryReference(cpu: Cpu, address: Addr | undefined, bytes: number): Reference {
  if (address === undefined) return { bits: bytes * 8, read: () => undefined };
  return {
    bits: bytes * 8,
    read: () => peekValue(cpu, address, bytes),
    write: (value) => {
      if (!pokeValue(cpu, address, bytes, value)) throw new RangeError("there is no memory mapped there");
    },
    address,
  };
}

/** segment:offset to linear, by the segment's hidden base. Without a segment the offset is linear already. */
export function linearAddress(
  cpu: Cpu,
  segment: SegmentName | undefined,
  offset: bigint,
  frame?: Frame,
): Addr | undefined {
  const value = BigInt.asUintN(64, offset);
  if (segment === undefined) return canonical(value);
  const seg = SEG[segment.toUpperCase() as Uppercase<SegmentName>] as SegIndex;
  const base = frame === undefined || frame.current ? addrToBig(cpu.segBase(seg)) : frame.place.segBase(seg);
  if (base === undefined) return undefined;
  const linear = base + value;
  return canonical((frame?.bits ?? codeBits(cpu)) === 64 ? BigInt.asUintN(64, linear) : linear & 0xffff_ffffn);
}

function canonical(value: bigint): Addr | undefined {
  return isCanonical(Number(BigInt.asIntN(32, value >> 32n))) ? bigToAddr(value) : undefined;
}
