/** pt_regs in guest memory: the registers of the interrupted context, read and written where the entry code pushed them. */
import type { Addr } from "../cpu/state.ts";
import type { KernelLayout } from "./layout/types.ts";
import type { KernelMemory } from "./memory.ts";

export class PtRegs {
  readonly address: Addr;
  readonly #memory: KernelMemory;
  readonly #layout: KernelLayout;

  constructor(memory: KernelMemory, layout: KernelLayout, address: Addr) {
    this.#memory = memory;
    this.#layout = layout;
    this.address = address;
  }

  /** Unsigned. Names are pt_regs' own: ip, sp, orig_ax, ... */
  get(name: string): bigint {
    const field = this.#layout.ptRegs[name];
    if (field === undefined) throw new Error(`pt_regs has no ${name}`);
    return this.#memory.readField(this.address, field);
  }
  /** Truncated to the register's size. */
  set(name: string, value: bigint | number): void {
    const field = this.#layout.ptRegs[name];
    if (field === undefined) throw new Error(`pt_regs has no ${name}`);
    this.#memory.writeField(this.address, field, BigInt(value));
  }
  has(name: string): boolean {
    return this.#layout.ptRegs[name] !== undefined;
  }

  get ip(): bigint {
    return this.get("ip");
  }
  get sp(): bigint {
    return this.get("sp");
  }
  get ax(): bigint {
    return this.get("ax");
  }
  set ax(value: bigint | number) {
    this.set("ax", value);
  }
  get cs(): number {
    return Number(this.get("cs")) & 0xffff;
  }
  get ss(): number {
    return Number(this.get("ss")) & 0xffff;
  }
  /** The low 32 bits of the flags. */
  get flags(): number {
    return Number(this.get("flags") & 0xffff_ffffn) | 0;
  }
  /** syscall_get_nr(): orig_ax as an int, a system call's number or -1 outside one. */
  get origAx(): number {
    return Number(BigInt.asIntN(32, this.get("orig_ax")));
  }
  /** user_mode(): the context is CPL 3 (or v8086, which also shows as such on the 32-bit kernel by its own test). */
  get user(): boolean {
    return (this.cs & 3) === 3 || (this.#layout.wordSize === 4 && (this.flags & 0x20000) !== 0);
  }
}
