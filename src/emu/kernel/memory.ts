/**
 * The kernel's own access to guest memory. Every write that an up-call makes goes through `kernelWrite`, which knows the up-call's
 * name, so that "who wrote this" has an answer. Kernel addresses only; user memory is mm/uaccess.ts.
 */
import { PAGE_SIZE } from "../cpu/memory.ts";
import type { Addr } from "../cpu/state.ts";
import type { Machine } from "../machine/machine.ts";
import type { Field, KernelLayout } from "./layout/types.ts";

/** Sees every write: `pa` is the physical address, `addr` the address it was made through. */
export type WriteObserver = (who: string, addr: Addr, pa: number, bytes: Uint8Array) => void;

/** An up-call was given an address where no kernel memory is: the entry code's mistake, not ours. */
export class BadKernelAddress extends Error {}

export class KernelMemory {
  /** The up-call that runs: the name that writes carry. */
  who = "boot";
  readonly #machine: Machine;
  readonly #layout: KernelLayout;
  #observers: WriteObserver[] = [];
  readonly #scratch = new DataView(new ArrayBuffer(8));
  /** The first bytes of it, by size. */
  readonly #scalars = [1, 2, 4, 8].map((size) => new Uint8Array(this.#scratch.buffer, 0, size));

  constructor(machine: Machine, layout: KernelLayout) {
    this.#machine = machine;
    this.#layout = layout;
  }

  observe(observer: WriteObserver): () => void {
    this.#observers = [...this.#observers, observer];
    return () => {
      this.#observers = this.#observers.filter((o) => o !== observer);
    };
  }

  /** The direct map's address of a physical one. */
  virt(pa: number): Addr {
    return this.#layout.address.pageOffset + pa;
  }

  /** Physical address behind a kernel address: direct map and kernel image by arithmetic, anything else by the page tables. */
  phys(addr: Addr): number {
    const { pageOffset, text, textPhysical } = this.#layout.address;
    if (addr >= text && addr < text + 0x2000_0000) return addr - text + textPhysical;
    if (addr >= pageOffset && addr < pageOffset + this.#machine.core.ramSize) return addr - pageOffset;
    const pa = this.#machine.currentCpu.peekTranslate(addr);
    if (pa === undefined) throw new BadKernelAddress(`${this.who}: kernel address ${hex(addr)} is not mapped`);
    return pa;
  }

  /** Bytes of RAM as they are; a copy. */
  readPhys(pa: number, length: number): Uint8Array {
    this.#check(pa, length);
    const start = this.#machine.core.ramBase + pa;
    return this.#machine.core.u8.slice(start, start + length);
  }

  /** The one place where the kernel's TypeScript changes RAM. */
  writePhys(who: string, addr: Addr, pa: number, bytes: Uint8Array): void {
    this.#check(pa, bytes.length);
    const { core } = this.#machine;
    core.u8.set(bytes, core.ramBase + pa);
    for (let done = 0; done < bytes.length; ) {
      const part = Math.min(bytes.length - done, PAGE_SIZE - ((pa + done) % PAGE_SIZE));
      core.noteWrite(pa + done, part);
      done += part;
    }
    // A copy each: an observer may keep it, and the bytes may be a scalar's scratch.
    for (const observer of this.#observers) observer(who, addr, pa, bytes.slice());
  }

  /** Writes kernel memory in the name of `who`; may cross pages. */
  kernelWrite(who: string, addr: Addr, bytes: Uint8Array): void {
    if (modulo(addr, PAGE_SIZE) + bytes.length <= PAGE_SIZE) {
      this.writePhys(who, addr, this.phys(addr), bytes);
      return;
    }
    for (let done = 0; done < bytes.length; ) {
      const at = addr + done;
      const room = PAGE_SIZE - modulo(at, PAGE_SIZE);
      const part = bytes.subarray(done, done + room);
      this.writePhys(who, at, this.phys(at), part);
      done += part.length;
    }
  }
  write(addr: Addr, bytes: Uint8Array): void {
    this.kernelWrite(this.who, addr, bytes);
  }

  read(addr: Addr, length: number): Uint8Array {
    const result = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const room = Math.min(length - done, PAGE_SIZE - modulo(addr + done, PAGE_SIZE));
      result.set(this.readPhys(this.phys(addr + done), room), done);
      done += room;
    }
    return result;
  }

  /** An aligned scalar; unsigned. */
  readScalar(addr: Addr, size: 1 | 2 | 4 | 8): bigint {
    if (size !== 8) return BigInt(this.readNumber(addr, size));
    const pa = this.phys(addr);
    this.#check(pa, size);
    const { view, ramBase } = this.#machine.core;
    return view.getBigUint64(ramBase + pa, true);
  }
  readNumber(addr: Addr, size: 1 | 2 | 4): number {
    const pa = this.phys(addr);
    this.#check(pa, size);
    const { view, ramBase } = this.#machine.core;
    if (size === 4) return view.getUint32(ramBase + pa, true);
    return size === 2 ? view.getUint16(ramBase + pa, true) : view.getUint8(ramBase + pa);
  }
  writeScalar(addr: Addr, size: 1 | 2 | 4 | 8, value: bigint): void {
    this.#scratch.setBigUint64(0, BigInt.asUintN(64, value), true);
    this.write(addr, this.#scalars[Math.log2(size)]!);
  }
  readField(base: Addr, field: Field): bigint {
    return this.readScalar(base + field.offset, field.size);
  }
  writeField(base: Addr, field: Field, value: bigint): void {
    this.writeScalar(base + field.offset, field.size, value);
  }

  #check(pa: number, length: number): void {
    if (pa < 0 || pa + length > this.#machine.core.ramSize)
      throw new BadKernelAddress(`${this.who}: physical ${hex(pa)} is outside RAM`);
  }
}

/** Remainder that is never negative: page offsets of kernel addresses, which are negative numbers. */
export const modulo = (value: number, by: number): number => ((value % by) + by) % by;
export const pageOf = (addr: Addr): Addr => addr - modulo(addr, PAGE_SIZE);
export const hex = (addr: number): string => `0x${BigInt.asUintN(64, BigInt(addr)).toString(16)}`;
