/** IR to WebAssembly, one instruction at a time. The same bodies that tier 0 turns into closures. */
import {
  carryWord,
  conditionReads,
  directCondition,
  type LazyKind,
  lazyOp,
  type OpSize,
  type WordAlgebra,
} from "../flags.ts";
import type { IrInsn, Load, Relation, SetFlags, Space, Statement, Store, UnaryOp, Value } from "../ir/types.ts";
import { ARITH_FLAGS, EFLAGS, OFF, SEG_STRIDE, SEGF, type SegIndex, TLBF } from "../layout.ts";
import { EXCHANGE, EXIT, type Frame, importIndex } from "./frame.ts";
import { type FunctionBody, I32, I64, type OpName } from "./wasm.ts";

interface KnownFlags {
  readonly kind: LazyKind;
  readonly size: OpSize;
  readonly mask: number;
}

const BINARY: Record<string, string> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  and: "and",
  or: "or",
  xor: "xor",
  shl: "shl",
  shr: "shr_u",
  sar: "shr_s",
  rol: "rotl",
  ror: "rotr",
};
const RELATION: Record<Relation, string> = {
  eq: "eq",
  ne: "ne",
  ltu: "lt_u",
  geu: "ge_u",
  leu: "le_u",
  gtu: "gt_u",
  lts: "lt_s",
  ges: "ge_s",
  les: "le_s",
  gts: "gt_s",
};
const isShift = (op: string): boolean => op === "shl" || op === "shr" || op === "sar" || op === "rol" || op === "ror";

/** Where branches of a region go: inside it, or out. */
export interface Targets {
  /** Emits a branch to a constant address; true = it is the block that follows in the code. */
  goTo(low: number, high: number): void;
  /** Emits the search of a computed target (in `frame.rip`) among the region's entries, and the exit if it is none. */
  goToComputed(): void;
}

export class Emitter {
  private readonly f: FunctionBody;
  private readonly frame: Frame;
  private readonly targets: Targets;
  private readonly pools: { readonly [I32]: number[]; readonly [I64]: number[] } = { [I32]: [], [I64]: [] };
  private temps: readonly number[] = [];
  private known: KnownFlags | undefined;
  private ir!: IrInsn;
  /** Index of the instruction in its block, and the block's size: what to give back of the budget. */
  private unused = 0;
  private readonly helperOf: (ir: IrInsn) => number;
  private readonly address64: number;
  private readonly address32: number;
  private readonly entry: number;
  private readonly status: number;
  private stores = false;

  constructor(f: FunctionBody, frame: Frame, targets: Targets, helperOf: (ir: IrInsn) => number) {
    this.f = f;
    this.frame = frame;
    this.targets = targets;
    this.helperOf = helperOf;
    this.address64 = f.local(I64);
    this.address32 = f.local(I32);
    this.entry = f.local(I32);
    this.status = f.local(I32);
  }

  startBlock(): void {
    this.known = undefined;
  }

  /** `unused`: how many instructions of the block, this one included, have not retired while it runs. */
  instruction(ir: IrInsn, unused: number, deadFlags: boolean): void {
    this.ir = ir;
    this.unused = unused;
    this.temps = this.allocate(ir);
    this.stores = false;
    for (const s of ir.statements) {
      if (deadFlags && (s.op === "flags" || s.op === "flagbits")) continue;
      if (s.op === "jump") this.stopIfAsked();
      this.statement(s);
    }
    const last = ir.statements[ir.statements.length - 1];
    if (last?.op !== "jump") this.stopIfAsked();
  }

  private allocate(ir: IrInsn): number[] {
    const used = { [I32]: 0, [I64]: 0 };
    return ir.temps.map((type) => {
      const wasm = type === 64 ? I64 : I32;
      const pool = this.pools[wasm];
      const local = (pool[used[wasm]] ??= this.f.local(wasm));
      used[wasm]++;
      return local;
    });
  }

  private nextIp(): readonly [number, number] {
    const { ipLow, ipHigh, length, bits } = this.ir.insn;
    const sum = (ipLow >>> 0) + length;
    return [sum | 0, bits === 64 ? (ipHigh + (sum > 0xffff_ffff ? 1 : 0)) | 0 : 0];
  }

  // --- leaving

  private giveBack(count: number): void {
    const { f, frame } = this;
    if (count !== 0) f.get(frame.budget).i32(count).op("i32.add").set(frame.budget);
  }
  private exitFault(): void {
    this.giveBack(this.unused);
    this.frame.exitTo(this.ir.insn.ipLow, this.ir.insn.ipHigh, EXIT.FAULT);
  }
  /** The status of an access is on the stack: 0, 1 = fault, 2 = done, but stop after this instruction. */
  private checkStatus(): void {
    const { f, frame } = this;
    f.tee(this.status).i32(1).op("i32.eq").if();
    this.exitFault();
    f.end();
    f.get(frame.stop).get(this.status).op("i32.or").set(frame.stop);
    this.stores = true;
  }
  private stopIfAsked(): void {
    if (!this.stores) return;
    const { f, frame, ir } = this;
    f.get(frame.stop).if();
    f.i32(0).set(frame.stop);
    const last = ir.statements[ir.statements.length - 1];
    if (last?.op === "jump") this.ripOf(last.target, last.test);
    else f.i64(...this.nextIp()).set(frame.rip);
    this.giveBack(this.unused - 1);
    frame.exitWith(EXIT.STOP);
    f.end();
    this.stores = false;
  }
  /** Sets `rip` as the jump would. */
  private ripOf(target: Value, test: Value | undefined): void {
    const { f, frame } = this;
    this.wide(target);
    if (test) {
      f.i64(...this.nextIp());
      this.value(test);
      f.op("select");
    }
    f.set(frame.rip);
  }

  // --- values

  private op(type: 32 | 64, name: string): void {
    this.f.op(`i${type}.${name}` as OpName);
  }
  private wide(v: Value): void {
    this.value(v);
    if (v.type === 32) this.f.op("i64.extend_u");
  }

  private value(v: Value): void {
    const { f } = this;
    switch (v.op) {
      case "const":
        if (v.type === 64) f.i64(v.low, v.high);
        else f.i32(v.low);
        return;
      case "temp":
        f.get(this.temps[v.index]!);
        return;
      case "segbase":
        f.i32(0).mem("i64.load", this.segField(v.seg, SEGF.BASE));
        return;
      case "reg":
        this.register(v);
        return;
      case "low":
        this.value(v.a);
        f.op("i32.wrap");
        return;
      case "high":
        this.value(v.a);
        f.i64(32, 0).op("i64.shr_u").op("i32.wrap");
        return;
      case "extend":
        this.value(v.a);
        f.op(v.signed ? "i64.extend_s" : "i64.extend_u");
        return;
      case "compare":
        this.value(v.a);
        this.value(v.b);
        this.op(v.a.type, RELATION[v.relation]);
        return;
      case "select":
        this.value(v.a);
        this.value(v.b);
        this.value(v.test);
        f.op("select");
        return;
      case "condition":
        this.condition(v.cc);
        return;
      case "eflags":
        this.eflags(v.mask);
        return;
      case "not":
      case "neg":
      case "clz":
      case "ctz":
      case "popcnt":
        this.unary(v.op, v.type, v.a);
        return;
      default:
        this.value(v.a);
        this.value(v.b);
        if (v.type === 64 && isShift(v.op)) f.op("i64.extend_u");
        this.op(v.type, BINARY[v.op]!);
    }
  }

  private unary(op: UnaryOp, type: 32 | 64, a: Value): void {
    const { f } = this;
    const constant = (n: number) => (type === 64 ? f.i64(n, n) : f.i32(n));
    if (op === "neg") constant(0);
    this.value(a);
    if (op === "not") constant(-1);
    this.op(type, op === "neg" ? "sub" : op === "not" ? "xor" : op);
  }

  private register(v: Extract<Value, { op: "reg" }>): void {
    const { f, frame } = this;
    f.get(frame.reg(v.reg));
    if (v.size === 64) return;
    f.op("i32.wrap");
    if (v.highByte) f.i32(8).op("i32.shr_u").i32(0xff).op("i32.and");
    else if (v.size < 32) f.i32(v.size === 8 ? 0xff : 0xffff).op("i32.and");
  }

  private condition(cc: number): void {
    const { f, frame, known } = this;
    const direct = known && (conditionReads(cc) & ~known.mask) === 0 ? directCondition(cc, known.kind) : undefined;
    if (!direct || !known) {
      frame.storeFlags();
      f.i32(cc).call(importIndex("condition"));
      return;
    }
    const signed = direct.relation.endsWith("s") && direct.relation !== "eq" && direct.relation !== "ne";
    const left = direct.of === "ab" ? frame.flags.a : frame.flags.res;
    const shift = signed && known.size < 64 ? 64 - known.size : 0;
    const side = (local: number) => {
      f.get(local);
      if (shift) f.i64(shift, 0).op("i64.shl");
    };
    side(left);
    if (direct.of === "ab") side(frame.flags.b);
    else f.i64(0, 0);
    this.op(64, RELATION[direct.relation]);
  }

  private eflags(mask: number): void {
    const { f, frame, known } = this;
    if (mask === EFLAGS.CF && known && known.mask & EFLAGS.CF) {
      this.knownCarry(known);
      return;
    }
    frame.storeFlags();
    f.i32(mask).call(importIndex("flags"));
  }

  /** CF of the last operation as 0 or 1. */
  private knownCarry(known: KnownFlags): void {
    const { f, frame } = this;
    type Word = () => void;
    const both =
      (name: OpName) =>
      (a: Word, b: Word): Word =>
      () => {
        a();
        b();
        f.op(name);
      };
    const words: WordAlgebra<Word> = {
      and: both("i64.and"),
      or: both("i64.or"),
      xor: both("i64.xor"),
      not: (a) => () => {
        a();
        f.i64(-1, -1).op("i64.xor");
      },
      zero: () => f.i64(0, 0),
    };
    const local =
      (l: number): Word =>
      () =>
        f.get(l);
    carryWord(words, known.kind, local(frame.flags.res), local(frame.flags.a), local(frame.flags.b))();
    f.i64(known.size - 1, 0)
      .op("i64.shr_u")
      .op("i32.wrap")
      .i32(1)
      .op("i32.and");
  }

  // --- statements

  private statement(s: Statement): void {
    const { f } = this;
    switch (s.op) {
      case "let":
        this.value(s.value);
        f.set(this.temps[s.temp]!);
        return;
      case "load":
        this.load(s);
        return;
      case "store":
        this.store(s);
        return;
      case "flags":
        this.guarded(s.when, () => this.setFlags(s));
        this.known = s.when ? undefined : { kind: s.kind, size: s.size, mask: s.mask };
        return;
      case "flagbits":
        this.guarded(s.when, () => this.setFlagBits(s.mask, s.value));
        if (this.known) this.known = { ...this.known, mask: this.known.mask & ~s.mask };
        return;
      case "setreg":
        this.setRegister(s);
        return;
      case "checktarget":
        this.checkTarget(s.target);
        return;
      case "jump":
        this.jump(s.target, s.test);
        return;
      case "helper":
        this.helper(s.ends);
        return;
    }
  }

  private guarded(when: Value | undefined, emit: () => void): void {
    if (!when) {
      emit();
      return;
    }
    this.value(when);
    this.f.if();
    emit();
    this.f.end();
  }

  private setFlags(s: SetFlags): void {
    const { f, frame } = this;
    const { flags } = frame;
    const others = ARITH_FLAGS & ~s.mask;
    if (others !== 0) this.settleOthers(others);
    this.wide(s.result);
    this.wide(s.a);
    this.wide(s.b);
    f.set(flags.b).set(flags.a).set(flags.res);
    f.i32(lazyOp(s.kind, s.size)).set(flags.op);
    f.i32(s.mask).set(flags.mask);
  }

  /** Flags that the coming operation leaves alone must not stay lazy. */
  private settleOthers(others: number): void {
    const { f, frame } = this;
    const { flags } = frame;
    if (others === EFLAGS.CF && this.known && this.known.mask & EFLAGS.CF) {
      f.get(flags.eflags).i32(~EFLAGS.CF).op("i32.and");
      this.knownCarry(this.known);
      f.op("i32.or").set(flags.eflags);
      return;
    }
    f.get(flags.mask).i32(others).op("i32.and").if();
    frame.storeFlags();
    f.i32(others).call(importIndex("settle")).set(flags.eflags);
    f.end();
  }

  private setFlagBits(mask: number, value: Value): void {
    const { f } = this;
    const { flags } = this.frame;
    f.get(flags.eflags).i32(~mask).op("i32.and");
    this.value(value);
    f.i32(mask).op("i32.and").op("i32.or").set(flags.eflags);
    f.get(flags.mask).i32(~mask).op("i32.and").set(flags.mask);
  }

  private setRegister(s: Extract<Statement, { op: "setreg" }>): void {
    const { f } = this;
    const r = this.frame.reg(s.reg);
    if (s.size >= 32) {
      if (s.size === 64) this.value(s.value);
      else this.wide(s.value);
      f.set(r);
      return;
    }
    const shift = s.highByte ? 8 : 0;
    const mask = (s.size === 8 ? 0xff : 0xffff) << shift;
    f.get(r).i64(~mask, -1).op("i64.and");
    this.value(s.value);
    f.i32(shift).op("i32.shl").i32(mask).op("i32.and").op("i64.extend_u").op("i64.or").set(r);
  }

  private checkTarget(target: Value): void {
    const { f } = this;
    this.wide(target);
    f.set(this.address64);
    if (this.ir.insn.bits === 64) {
      // Canonical: bits 63:47 are all alike.
      f.get(this.address64).i64(47, 0).op("i64.shr_s").i64(1, 0).op("i64.add").i64(1, 0).op("i64.gt_u").if();
      this.checkTargetSlowly();
      f.end();
    } else this.checkTargetSlowly();
  }

  private checkTargetSlowly(): void {
    const { f } = this;
    f.get(this.address64).op("i32.wrap").get(this.address64).i64(32, 0).op("i64.shr_u").op("i32.wrap");
    f.call(importIndex("checkTarget")).if();
    this.exitFault();
    f.end();
  }

  private jump(target: Value, test: Value | undefined): void {
    const { f, frame } = this;
    if (target.op !== "const") {
      this.wide(target);
      f.set(frame.rip);
      this.targets.goToComputed();
      return;
    }
    if (test) {
      this.value(test);
      f.if();
      this.targets.goTo(target.low, target.high);
      f.end();
      this.targets.goTo(...this.nextIp());
    } else this.targets.goTo(target.low, target.high);
  }

  private helper(ends: boolean): void {
    const { f, frame } = this;
    frame.storeRegisters();
    frame.storeFlags();
    this.giveBack(this.unused);
    frame.storeBudget();
    f.i64(...this.nextIp()).set(frame.rip);
    frame.storeRip();
    f.i32(this.helperOf(this.ir)).call(importIndex("helper")).set(this.status);
    frame.loadRegisters();
    frame.loadFlags();
    this.known = undefined;
    f.get(this.status).i32(1).op("i32.eq").if();
    frame.exitTo(this.ir.insn.ipLow, this.ir.insn.ipHigh, EXIT.FAULT);
    f.end();
    if (ends) {
      f.i32(0)
        .mem("i64.load", frame.base + OFF.RIP)
        .set(frame.rip);
      this.giveBack(-1);
      frame.exitWith(EXIT.SYSTEM);
      return;
    }
    this.giveBack(-this.unused);
    f.get(this.status).set(frame.stop);
    this.stores = true;
  }

  // --- memory

  private segField(seg: SegIndex, field: number): number {
    return this.frame.base + OFF.SEG + seg * SEG_STRIDE + field;
  }

  /** Leaves 1 on the stack when the TLB has the page (and the segment permits it), with `entry` and the linear address in locals. */
  private probe(space: Space, address: Value, size: number, write: boolean): void {
    const { f } = this;
    const tag = write ? TLBF.WRITE_TAG : TLBF.READ_TAG;
    if (space.kind === "linear" && space.type === 64) {
      this.value(address);
      f.set(this.address64);
      this.findEntry(() => f.get(this.address64).op("i32.wrap"));
      f.get(this.entry).mem("i64.load", tag);
      f.get(this.address64)
        .i64(size - 1, 0)
        .op("i64.add")
        .i64(-4096, -1)
        .op("i64.and")
        .op("i64.eq");
      return;
    }
    this.value(address);
    f.set(this.address32);
    if (space.kind === "linear") f.get(this.address32).op("i64.extend_u").set(this.address64);
    else {
      f.get(this.address32).i32(0).mem("i32.load", this.segField(space.seg, SEGF.BASE)).op("i32.add");
      f.op("i64.extend_u").set(this.address64);
    }
    this.findEntry(() => f.get(this.address64).op("i32.wrap"));
    f.get(this.entry).mem("i64.load", tag);
    f.get(this.address64)
      .op("i32.wrap")
      .i32(size - 1)
      .op("i32.add")
      .i32(-4096)
      .op("i32.and")
      .op("i64.extend_u")
      .op("i64.eq");
    if (space.kind === "segment") this.bounds(space.seg, size, write);
  }

  private findEntry(low: () => void): void {
    const { f, frame } = this;
    low();
    f.i32(7).op("i32.shr_u").i32(0x7fe0).op("i32.and").get(frame.tlb).op("i32.add").set(this.entry);
  }

  /** Ands the segment's bounds to the 1 or 0 on the stack. */
  private bounds(seg: SegIndex, size: number, write: boolean): void {
    const { f } = this;
    const first = this.segField(seg, write ? SEGF.WRITE_FIRST : SEGF.READ_FIRST);
    f.get(this.address32).i32(0).mem("i32.load", first).op("i32.ge_u").op("i32.and");
    f.get(this.address32)
      .op("i64.extend_u")
      .i64(size - 1, 0)
      .op("i64.add");
    f.i32(0)
      .mem("i32.load", first + 4)
      .op("i64.extend_u")
      .op("i64.le_u")
      .op("i32.and");
  }

  /** Pushes what the slow path takes: what access, and where (linear address in 64-bit mode, else the offset). */
  private slowArguments(space: Space, size: number, forWrite: boolean): void {
    const { f } = this;
    const wide = space.kind === "linear" && space.type === 64;
    f.i32(space.seg | (size << 4) | (wide ? 0x100 : 0) | (forWrite ? 0x200 : 0));
    if (wide) f.get(this.address64).op("i32.wrap").get(this.address64).i64(32, 0).op("i64.shr_u").op("i32.wrap");
    else f.get(this.address32).i32(0);
  }

  private hostAddress(): void {
    const { f } = this;
    f.get(this.address64).op("i32.wrap").get(this.entry).mem("i32.load", TLBF.ADDEND).op("i32.add");
  }

  private load(s: Load): void {
    const { f, frame } = this;
    const local = this.temps[s.temp]!;
    this.probe(s.space, s.address, s.size, s.forWrite);
    f.if();
    this.hostAddress();
    f.mem(s.size === 8 ? "i64.load" : s.size === 4 ? "i32.load" : s.size === 2 ? "i32.load16_u" : "i32.load8_u", 0).set(
      local,
    );
    f.else();
    this.slowArguments(s.space, s.size, s.forWrite);
    f.call(importIndex("load"));
    this.checkStatus();
    f.i32(0)
      .mem(s.size === 8 ? "i64.load" : "i32.load", frame.base + EXCHANGE)
      .set(local);
    f.end();
  }

  private store(s: Store): void {
    const { f, frame } = this;
    this.probe(s.space, s.address, s.size, true);
    f.if();
    this.hostAddress();
    this.value(s.value);
    f.mem(s.size === 8 ? "i64.store" : s.size === 4 ? "i32.store" : s.size === 2 ? "i32.store16" : "i32.store8", 0);
    f.else();
    f.i32(0);
    this.value(s.value);
    f.mem(s.size === 8 ? "i64.store" : "i32.store", frame.base + EXCHANGE);
    this.slowArguments(s.space, s.size, true);
    f.call(importIndex("store"));
    this.checkStatus();
    f.end();
  }
}
