/**
 * What a compiled region keeps in WebAssembly locals: general registers, lazy flags, budget, RIP. They are loaded when the region is
 * entered and written back when it is left or a helper wants to see them.
 */
import { OFF, TEMPS } from "../layout.ts";
import { type FunctionBody, I32, I64, type Label } from "./wasm.ts";

/** How a region ended. */
export const EXIT = {
  /** RIP says where to go on. */
  NEXT: 0,
  /** A fault is pending; RIP is at the instruction. */
  FAULT: 1,
  /** Something wants attention, or code has changed. */
  STOP: 2,
  /** A system instruction has run. */
  SYSTEM: 3,
  /** The block at RIP does not fit into the rest of the budget. */
  SHORT: 4,
  /** An access is not for the fast path; the site's number is in the bits from EXIT_BITS up. RIP is at the instruction. */
  MISS: 5,
} as const;

export const EXIT_BITS = 4;

/** Imported functions, in index order. */
export const IMPORTS = [
  { name: "load", parameters: 3 },
  { name: "store", parameters: 3 },
  { name: "helper", parameters: 1 },
  { name: "condition", parameters: 1 },
  { name: "flags", parameters: 1 },
  { name: "settle", parameters: 1 },
  { name: "checkTarget", parameters: 2 },
  { name: "probe", parameters: 0 },
  { name: "breakpoint", parameters: 0 },
  { name: "peek", parameters: 2 },
] as const;
export type ImportName = (typeof IMPORTS)[number]["name"];
export const importIndex = (name: ImportName): number => IMPORTS.findIndex((f) => f.name === name);

/** Where `load` leaves and `store` finds its value: the temporary next to tier 0's own. */
export const EXCHANGE = TEMPS + 254 * 8;

const FLAG_FIELDS = [
  ["op", OFF.LF_OP, I32],
  ["mask", OFF.LF_MASK, I32],
  ["eflags", OFF.EFLAGS, I32],
  ["res", OFF.LF_RES, I64],
  ["a", OFF.LF_A, I64],
  ["b", OFF.LF_B, I64],
] as const;
type FlagField = (typeof FLAG_FIELDS)[number][0];

export class Frame {
  readonly f: FunctionBody;
  /** Byte offset of the CPU's state in the memory. */
  readonly base: number;
  private readonly regs: readonly number[];
  readonly flags: Readonly<Record<FlagField, number>>;
  readonly budget: number;
  readonly rip: number;
  readonly result: number;
  /** Base of the TLB for data accesses: an absolute address. */
  readonly tlb: number;
  /** Block to run next. */
  readonly next: number;
  /** Set by accesses after which the region must be left at the instruction's end. */
  readonly stop: number;
  exit: Label = 0;

  constructor(f: FunctionBody, base: number) {
    this.f = f;
    this.base = base;
    this.regs = Array.from({ length: 16 }, () => f.local(I64));
    const flags: Partial<Record<FlagField, number>> = {};
    for (const [name, , type] of FLAG_FIELDS) flags[name] = f.local(type);
    this.flags = flags as Record<FlagField, number>;
    this.budget = f.local(I32);
    this.rip = f.local(I64);
    this.result = f.local(I32);
    this.tlb = f.local(I32);
    this.next = 0;
    this.stop = f.local(I32);
  }

  reg(reg: number): number {
    return this.regs[reg]!;
  }

  loadRegisters(): void {
    this.regs.forEach(
      (local, i) =>
        void this.f
          .i32(0)
          .mem("i64.load", this.base + OFF.GPR + i * 8)
          .set(local),
    );
  }
  private storeRegisters(): void {
    this.regs.forEach(
      (local, i) =>
        void this.f
          .i32(0)
          .get(local)
          .mem("i64.store", this.base + OFF.GPR + i * 8),
    );
  }
  loadFlags(): void {
    for (const [name, offset, type] of FLAG_FIELDS) {
      this.f
        .i32(0)
        .mem(type === I32 ? "i32.load" : "i64.load", this.base + offset)
        .set(this.flags[name]);
    }
  }
  storeFlags(): void {
    for (const [name, offset, type] of FLAG_FIELDS) {
      this.f
        .i32(0)
        .get(this.flags[name])
        .mem(type === I32 ? "i32.store" : "i64.store", this.base + offset);
    }
  }
  /** Everything, where TypeScript sees it. */
  store(): void {
    this.storeRegisters();
    this.storeFlags();
    this.storeBudget();
    this.storeRip();
  }
  private storeBudget(): void {
    this.f
      .i32(0)
      .get(this.budget)
      .mem("i32.store", this.base + OFF.BUDGET);
  }
  private storeRip(): void {
    this.f
      .i32(0)
      .get(this.rip)
      .mem("i64.store", this.base + OFF.RIP);
  }

  loadRip(): void {
    this.f
      .i32(0)
      .mem("i64.load", this.base + OFF.RIP)
      .set(this.rip);
  }
  addToBudget(count: number): void {
    if (count !== 0) this.f.get(this.budget).i32(count).op("i32.add").set(this.budget);
  }

  enter(): void {
    const { f, base } = this;
    this.loadRegisters();
    this.loadFlags();
    f.i32(0)
      .mem("i32.load", base + OFF.BUDGET)
      .set(this.budget);
    f.i32(0)
      .mem("i32.load", base + OFF.TLB_BASE)
      .i32(base)
      .op("i32.add")
      .set(this.tlb);
    this.exit = f.block();
  }

  /** Everything that leaves the region comes here with `rip` and `result` set. */
  leave(): void {
    const { f } = this;
    f.end();
    this.store();
    f.get(this.result);
  }

  exitTo(low: number, high: number, result: number): void {
    this.f.i64(low, high).set(this.rip);
    this.exitWith(result);
  }
  /** `rip` is set already. */
  exitWith(result: number): void {
    this.f.i32(result).set(this.result).br(this.exit);
  }
}
