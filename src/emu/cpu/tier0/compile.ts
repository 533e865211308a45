/**
 * IR to closures. Each value node becomes one closure that leaves its result in a slot; leaves cost nothing, because registers,
 * temporaries and constants already are slots. Shapes that most code is made of are fused: see `fuseAlu`, `matchAddress`, `branch`.
 */
import type { Cpu } from "../cpu.ts";
import { conditionReads, directCondition, type LazyKind, LF, type OpSize } from "../flags.ts";
import type { BinaryOp, IrInsn, Load, Relation, SetFlags, Statement, Store, Value } from "../ir/types.ts";
import { ARITH_FLAGS, OFF } from "../layout.ts";
import { nextIp } from "../lower.ts";
import { MODE } from "../mode.ts";
import { Accesses, type Address } from "./access.ts";
import { splitAddress } from "./address.ts";
import { type BitSlot, type BitSlots, FlagClosures, type FusedOp, isFused } from "./alu.ts";
import { aluBranch, type FusedAlu, type JumpTarget, stackJump } from "./alu-branch.ts";
import {
  binary32,
  binary64,
  clearHigh,
  type Exec,
  extract,
  insert,
  isShift,
  move32,
  move64,
  moveSigned,
  put,
  relation32,
  relation64,
  type ShiftOp,
  shift64By,
  type Test,
  unary32,
  unary64,
} from "./arith.ts";
import { branchIf, isSigned, type Ways } from "./branch.ts";
import { type Bit, isPlain, type PlainBits, plainFlagBits } from "./flagbits.ts";
import { findShortcuts, isTemp, type Shortcuts, withoutDead } from "./simplify.ts";
import { type Slot, Slots } from "./slots.ts";

type Let = Extract<Statement, { op: "let" }>;

/** What set the flags, as far as the block knows. */
interface KnownFlags {
  readonly kind: LazyKind;
  readonly size: OpSize;
  readonly mask: number;
}

export interface CompiledBlock {
  readonly ops: readonly Exec[];
  /** For each closure the instruction that it belongs to (a pair: the first); one past them, the number of instructions. */
  readonly insnOf: Uint8Array;
}

export class Compiler {
  private readonly cpu: Cpu;
  private readonly i32: Int32Array;
  readonly slots: Slots;
  private readonly access: Accesses;
  private readonly flags: FlagClosures;
  private readonly rip: Slot;
  private code: Exec[] = [];
  private owners: number[] = [];
  private owner = 0;
  /** The last closure, if it is such an operation; the branch that became part of it. */
  private lastAlu: FusedAlu | undefined;
  private fusedInto = -1;
  private nextTemp = 0;
  private mode = 0;
  private shortcuts: Shortcuts = { registers: new Map(), sums: new Map() };
  private known: KnownFlags | undefined;
  /** Temporaries that are made in a register. */
  private readonly placed = new Map<number, Slot>();

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.i32 = cpu.i32;
    this.slots = new Slots(cpu);
    this.access = new Accesses(cpu, this.slots);
    this.flags = new FlagClosures(cpu, this.slots);
    this.rip = this.slots.field(OFF.RIP);
  }

  /** A whole block. `dead`: the instructions whose flags nobody will see. */
  block(code: readonly IrInsn[], mode: number, dead: readonly boolean[]): CompiledBlock {
    this.mode = mode;
    this.known = undefined;
    this.lastAlu = undefined;
    this.code = [];
    this.owners = [];
    code.forEach((ir, i) => {
      this.owner = i;
      this.instruction(ir, dead[i]!);
    });
    return { ops: this.code, insnOf: Uint8Array.from([...this.owners, code.length]) };
  }

  private instruction(ir: IrInsn, deadFlags: boolean): void {
    this.nextTemp = ir.temps.length;
    const { statements } = ir;
    const live = deadFlags ? statements.filter((s) => s.op !== "flags" && s.op !== "flagbits") : statements;
    const seen = { ...ir, statements: withoutDead(plainFlagBits(live)) };
    this.placed.clear();
    this.shortcuts = findShortcuts(seen.statements);
    for (let i = 0; i < seen.statements.length; ) i += this.statement(seen, i);
    // An instruction that needs nothing done still is one.
    if (this.owners.at(-1) !== this.owner && this.fusedInto !== this.owner) this.emit(() => {});
  }

  /** A temporary's own value, where that is as cheap as the temporary. */
  private resolve(v: Value): Value {
    return (v.op === "temp" && this.shortcuts.sums.get(v.index)) || v;
  }

  private tempSlot(index: number): Slot {
    const placed = this.placed.get(index);
    if (placed !== undefined) return placed;
    const reg = this.shortcuts.registers.get(index);
    return reg === undefined ? this.slots.temp(index) : this.slots.reg(reg);
  }

  private zero(): Slot {
    return this.slots.constant(0, 0);
  }
  private fresh(): Slot {
    return this.slots.temp(this.nextTemp++);
  }

  // --- values

  /** A slot that holds the value; `want` is where it should be made if it has to be made. */
  private value(v: Value, want?: Slot): Slot {
    switch (v.op) {
      case "const":
        return this.slots.constant(v.low, v.high);
      case "temp":
        return this.tempSlot(v.index);
      case "segbase":
        return this.slots.segBase(v.seg);
      case "reg":
        return v.size >= 32 ? this.slots.reg(v.reg) : this.partOfReg(v.reg, v.size, v.highByte, want);
      case "low":
        return this.value(v.a);
      case "high":
        return this.value(v.a) + 1;
      default:
        return this.compute(v, want ?? this.fresh());
    }
  }

  private partOfReg(reg: number, size: OpSize, highByte: boolean, want?: Slot): Slot {
    const { i32 } = this;
    const d = want ?? this.fresh();
    const r = this.slots.reg(reg);
    this.emit(extract(i32, d, r, highByte ? 8 : 0, size === 8 ? 0xff : 0xffff));
    return d;
  }

  private emit(exec: Exec): void {
    this.code.push(exec);
    this.owners.push(this.owner);
    this.lastAlu = undefined;
  }

  private compute(v: Value, d: Slot): Slot {
    const { i32 } = this;
    switch (v.op) {
      case "not":
      case "neg":
      case "clz":
      case "ctz":
      case "popcnt": {
        const a = this.value(v.a);
        this.emit(v.type === 64 ? unary64(i32, v.op, d, a) : unary32(i32, v.op, d, a));
        return d;
      }
      case "compare":
      case "condition":
        this.emitTest(this.test(v), d);
        return d;
      case "select": {
        const a = this.value(v.a);
        const b = this.value(v.b);
        const test = this.test(v.test);
        this.emit(() => {
          const from = test() ? a : b;
          const high = i32[from + 1]!;
          i32[d] = i32[from]!;
          i32[d + 1] = high;
        });
        if (v.type === 32) this.emit(clearHigh(i32, d));
        return d;
      }
      case "extend": {
        const a = this.value(v.a);
        this.emit(v.signed ? moveSigned(i32, d, a) : move32(i32, d, a));
        return d;
      }
      case "eflags":
        this.emit(this.flags.eflagsValue(d, v.mask));
        return d;
      case "const":
      case "temp":
      case "segbase":
      case "reg":
      case "low":
      case "high":
        throw new Error("a leaf is not computed");
      default: {
        const a = this.value(v.a);
        if (v.type === 64 && v.b.op === "const" && isShift(v.op)) {
          this.emit(shift64By(i32, v.op, d, a, v.b.low & 63));
          return d;
        }
        const b = this.value(v.b);
        this.emit(v.type === 64 ? binary64(i32, v.op, d, a, b) : binary32(i32, v.op, d, a, b));
        return d;
      }
    }
  }

  private emitTest(test: Test, d: Slot): void {
    const { i32 } = this;
    this.emit(() => {
      i32[d] = test() ? 1 : 0;
      i32[d + 1] = 0;
    });
  }

  /** A 32-bit value as a test of not being zero. */
  private test(v: Value): Test {
    const { i32 } = this;
    if (v.op === "compare") {
      const a = this.value(v.a);
      const b = this.value(v.b);
      return v.a.type === 64 ? relation64(i32, v.relation, a, b) : relation32(i32, v.relation, a, b);
    }
    if (v.op === "condition") return this.conditionTest(v.cc);
    const s = this.value(v);
    return () => i32[s]! !== 0;
  }

  /** A test that is one comparison of whole words: relation, width, slots. */
  private comparison(v: Value): readonly [Relation, 32 | 64, Slot, Slot] | undefined {
    if (v.op !== "condition" || !this.known || conditionReads(v.cc) & ~this.known.mask) return undefined;
    const direct = directCondition(v.cc, this.known.kind);
    if (!direct || (this.known.size < 32 && isSigned(direct.relation))) return undefined;
    const a = direct.of === "ab" ? this.flags.a : this.flags.res;
    const b = direct.of === "ab" ? this.flags.b : this.zero();
    return [direct.relation, this.known.size === 64 ? 64 : 32, a, b];
  }

  private conditionTest(cc: number): Test {
    const { known } = this;
    if (known && (conditionReads(cc) & ~known.mask) === 0) {
      const direct = directCondition(cc, known.kind);
      if (direct) return this.flags.direct(direct, known.size, this.zero());
    }
    return this.flags.condition(cc);
  }

  /** Value moved into a slot, computed there if it can be. */
  private into(d: Slot, v: Value): void {
    const { i32 } = this;
    const s = this.value(v, d);
    if (s === d) {
      // A register onto itself: MOV EAX, EAX clears the upper half.
      if (((v.op === "reg" && v.size >= 32) || v.op === "low" || v.op === "temp") && v.type === 32)
        this.emit(clearHigh(i32, d));
      return;
    }
    this.emit(v.type === 32 ? move32(i32, d, s) : move64(i32, d, s));
  }

  // --- statements

  /** Compiles statement `i` and gives how many it took. */
  private statement(ir: IrInsn, i: number): number {
    const s = ir.statements[i]!;
    switch (s.op) {
      case "let": {
        if (this.shortcuts.registers.has(s.temp) || this.shortcuts.sums.has(s.temp)) return 1;
        const taken =
          this.fuseAlu(ir, i, s) ||
          this.fuseShift(ir, i, s) ||
          this.forward(ir, i, s.temp, (d) => this.into(d, s.value));
        if (taken) return taken;
        this.into(this.slots.temp(s.temp), s.value);
        return 1;
      }
      case "load": {
        const taken = this.forward(ir, i, s.temp, (d) => this.load(s, d));
        if (taken) return taken;
        this.load(s, this.slots.temp(s.temp));
        return 1;
      }
      case "store":
        this.store(s);
        return 1;
      case "flags":
        this.setFlags(s);
        return 1;
      case "flagbits": {
        if (isPlain(s)) {
          this.plainBits(s);
          return 1;
        }
        const value = this.value(s.value);
        this.guarded(s.when, this.flags.bits(s.mask, value));
        this.known = this.knownWithout(s.mask);
        return 1;
      }
      case "setreg": {
        const taken = this.fuseStackJump(ir, i);
        if (taken) return taken;
        this.setReg(s);
        return 1;
      }
      case "checktarget": {
        const taken = this.fuseStackJump(ir, i);
        if (taken) return taken;
        const target = this.value(s.target);
        const { cpu, i32 } = this;
        if (s.target.type === 64) {
          this.emit(() => {
            const sign = i32[target + 1]! >> 15;
            if (sign !== 0 && sign !== -1) cpu.checkNearTarget(i32[target]!, i32[target + 1]!);
          });
        } else this.emit(() => cpu.checkNearTarget(i32[target]!, 0));
        return 1;
      }
      case "jump":
        this.branch(ir, s.target, s.test);
        return 1;
      case "helper":
        this.helper(ir, s.helper);
        return 1;
    }
  }

  /**
   * `t = x op y; flags of it; register = t` (and the compare without the register) as one closure. For narrow sizes the sum is
   * masked: `t = (x op y) & mask`.
   */
  private fuseAlu(ir: IrInsn, i: number, s: Let): number {
    const f = ir.statements[i + 1];
    if (f?.op !== "flags" || f.when || !isTemp(f.result, s.temp)) return 0;
    let v = s.value;
    if (f.size < 32 && v.op === "and" && v.b.op === "const" && v.a.op !== "const" && isFused(v.a.op)) v = v.a;
    if (!isFused(v.op)) return 0;
    const bin = v as Extract<Value, { op: BinaryOp }> & { op: FusedOp };
    const logic = bin.op !== "add" && bin.op !== "sub";
    if (logic && f.mask !== ARITH_FLAGS) return 0;
    if (!logic && (bin.a !== f.a || bin.b !== f.b)) return 0;
    const set = ir.statements[i + 2];
    const last = i + 3 >= ir.statements.length;
    const x = this.value(bin.a);
    const y = this.value(bin.b);
    const register = set?.op === "setreg" && set.size >= 32 && set.size === f.size && isTemp(set.value, s.temp) && last;
    const d = register ? this.slots.reg(set.reg) : this.slots.temp(s.temp);
    if (f.size === 64) this.emit(this.flags.alu64(bin.op, f.kind, d, x, y, f.mask));
    else this.emit(this.flags.alu32(bin.op, f.kind, f.size, d, x, y, f.mask));
    this.known = { kind: f.kind, size: f.size, mask: f.mask };
    if (register || i + 2 >= ir.statements.length)
      this.lastAlu = { op: bin.op, kind: f.kind, size: f.size, d, x, y, mask: f.mask };
    return register ? 3 : 2;
  }

  /**
   * A shift or rotate by a constant whose CF and OF are bits of what is there: `t = x op n; CF, OF = bits; flags of t; register = t`
   * as one closure, or as few.
   */
  private fuseShift(ir: IrInsn, i: number, s: Let): number {
    const bits = ir.statements[i + 1];
    if (!isPlain(bits) || !isShift(s.value.op)) return 0;
    const { op, a, b, type } = s.value as Extract<Value, { op: BinaryOp }> & { op: ShiftOp };
    if (b.op !== "const") return 0;
    const flags = ir.statements[i + 2];
    const lazy = flags?.op === "flags" && !flags.when && flags.kind === LF.LOGIC && isTemp(flags.result, s.temp);
    if (lazy && (bits.mask | flags.mask) !== ARITH_FLAGS) return 0;
    const set = ir.statements[i + (lazy ? 3 : 2)];
    if (set?.op !== "setreg" || set.size !== type || !isTemp(set.value, s.temp) || set !== ir.statements.at(-1))
      return 0;
    const d = this.slots.reg(set.reg);
    const x = this.value(a);
    const n = b.low & (type - 1);
    // Bits of the result are read after it was made, others before.
    const after = [...bits.cf, ...bits.of].some((bit) => isTemp(bit.of, s.temp));
    if (after && [...bits.cf, ...bits.of].some((bit) => !isTemp(bit.of, s.temp))) return 0;
    if (after) this.placed.set(s.temp, d);
    if (lazy && !after && type === 32 && bits.cf.length < 2 && op !== "rol" && op !== "ror") {
      this.emit(this.flags.shift32(op, d, x, n, this.bitSlots(bits.cf), this.bitSlots(bits.of), flags.mask));
    } else {
      if (!after) this.plainBits(bits);
      this.emit(type === 64 ? shift64By(this.i32, op, d, x, n) : binary32(this.i32, op, d, x, this.value(b)));
      if (after) this.plainBits(bits);
      if (lazy) this.emit(this.flags.logicOf(type, d, flags.mask));
    }
    this.known = lazy ? { kind: LF.LOGIC, size: type, mask: flags.mask } : this.knownWithout(bits.mask);
    return lazy ? 4 : 3;
  }

  private plainBits(s: PlainBits): void {
    this.emit(this.flags.plainBits(s.mask, this.bitSlots(s.cf), this.bitSlots(s.of)));
    this.known = this.knownWithout(s.mask);
  }

  private bitSlots([a, b]: readonly Bit[]): BitSlots {
    const place = (bit: Bit | undefined): BitSlot =>
      bit ? { slot: this.value(bit.of) + bit.word, shift: bit.shift } : { slot: this.zero(), shift: 0 };
    return [place(a), place(b)];
  }

  private knownWithout(mask: number): KnownFlags | undefined {
    return this.known && { ...this.known, mask: this.known.mask & ~mask };
  }

  /** A value that is only made to be put into a whole register is made there. */
  private forward(ir: IrInsn, i: number, temp: number, make: (d: Slot) => void): number {
    const set = ir.statements[i + 1];
    if (set?.op !== "setreg" || set.size < 32 || !isTemp(set.value, temp) || i + 2 < ir.statements.length) return 0;
    make(this.slots.reg(set.reg));
    return 2;
  }

  private setReg(s: Extract<Statement, { op: "setreg" }>): void {
    const { i32 } = this;
    const r = this.slots.reg(s.reg);
    if (s.size >= 32) {
      this.into(r, this.resolve(s.value));
      return;
    }
    const v = this.value(s.value);
    this.emit(insert(i32, r, v, s.highByte ? 8 : 0, s.size === 8 ? 0xff : 0xffff));
  }

  private setFlags(s: SetFlags): void {
    const r = this.value(s.result);
    const x = this.value(s.a);
    const y = this.value(s.b);
    this.guarded(s.when, this.flags.lazy(s.kind, s.size, r, x, y, s.mask));
    this.known = s.when ? undefined : { kind: s.kind, size: s.size, mask: s.mask };
  }

  private guarded(when: Value | undefined, exec: Exec): void {
    if (!when) {
      this.emit(exec);
      return;
    }
    const test = this.test(when);
    this.emit(() => {
      if (test()) exec();
    });
  }

  private helper(ir: IrInsn, helper: (cpu: Cpu, insn: IrInsn["insn"]) => void): void {
    const { cpu, i32, rip } = this;
    const { insn } = ir;
    const [low, high] = nextIp(ir.insn);
    this.known = undefined;
    this.emit(() => {
      cpu.syncCount();
      i32[rip] = low;
      i32[rip + 1] = high;
      helper(cpu, insn);
    });
  }

  /** The operation just before it and a branch on its flags, as one closure. */
  private fuseBranch(when: Value, ways: Ways): boolean {
    const { lastAlu, known } = this;
    if (!lastAlu || !known || when.op !== "condition" || conditionReads(when.cc) & ~known.mask) return false;
    const direct = directCondition(when.cc, known.kind);
    if (!direct || (known.size < 32 && isSigned(direct.relation))) return false;
    this.code.pop();
    const owner = this.owners.pop()!;
    this.fusedInto = this.owner;
    this.owner = owner;
    this.emit(aluBranch(this.cpu, this.slots, lastAlu, direct, ways));
    this.owner = this.fusedInto;
    return true;
  }

  /** `checktarget`, a constant added to a register, and the jump: the end of CALL and RET. Gives how many statements it took. */
  private fuseStackJump(ir: IrInsn, i: number): number {
    const { statements } = ir;
    const check = statements[i]!.op === "checktarget" ? 1 : 0;
    const [set, jump] = [statements[i + check], statements[i + check + 1]];
    if (set?.op !== "setreg" || jump?.op !== "jump" || jump.test || set.size < 32) return 0;
    const sum = this.resolve(set.value);
    const wide = jump.target.type === 64;
    if (sum.op !== "add" || sum.a.op !== "reg" || sum.a.reg !== set.reg || sum.b.op !== "const") return 0;
    if (sum.type !== set.size || wide !== (set.size === 64) || (check && !wide)) return 0;
    const { target } = jump;
    const checked = statements[i];
    if (checked?.op === "checktarget" && checked.target !== target) return 0;
    let to: JumpTarget;
    if (target.op !== "const") to = { slot: this.value(target), check: check > 0 };
    else if (check) return 0;
    else to = target;
    const delta = [sum.b.low, sum.b.high] as const;
    this.emit(stackJump(this.cpu, wide, [this.slots.reg(set.reg), this.rip], delta, to));
    return check + 2;
  }

  private branch(ir: IrInsn, target: Value, when: Value | undefined): void {
    const { i32, rip } = this;
    const [nextLow, nextHigh] = nextIp(ir.insn);
    const known = target.op === "const" ? target : undefined;
    const t = known ? 0 : this.value(target);
    if (!when) {
      if (known) this.emit(put(i32, rip, known.low, known.high));
      else this.emit(target.type === 64 ? move64(i32, rip, t) : move32(i32, rip, t));
      return;
    }
    if (!known) throw new Error("a conditional branch has a constant target");
    const { low, high } = known;
    if (this.fuseBranch(when, { rip, low, high, nextLow, nextHigh })) return;
    const compared = this.comparison(when);
    if (compared) {
      const [relation, size, a, b] = compared;
      const fused = branchIf(i32, relation, size, a, b, { rip, low, high, nextLow, nextHigh });
      if (fused) {
        this.emit(fused);
        return;
      }
    }
    const test = this.test(when);
    this.emit(() => {
      if (test()) {
        i32[rip] = low;
        i32[rip + 1] = high;
      } else {
        i32[rip] = nextLow;
        i32[rip + 1] = nextHigh;
      }
    });
  }

  // --- memory

  private load(s: Load, d: Slot): void {
    const { seg } = s.space;
    const wide = s.space.kind === "linear" && s.space.type === 64;
    const at = this.matchAddress(this.resolve(s.address));
    if (this.mode & MODE.ALIGN) this.emit(this.access.loadSlow(d, at, s.size, seg, wide, s.forWrite));
    else if (wide) this.emit(this.access.load64(d, at, s.size, seg, s.forWrite));
    else this.emit(this.access.load32(d, at, s.size, seg, s.space.kind === "segment", s.forWrite));
  }

  private store(s: Store): void {
    const { seg } = s.space;
    const wide = s.space.kind === "linear" && s.space.type === 64;
    const v = this.value(s.value);
    const at = this.matchAddress(this.resolve(s.address));
    if (this.mode & MODE.ALIGN) this.emit(this.access.storeSlow(v, at, s.size, seg, wide));
    else if (wide) this.emit(this.access.store64(v, at, s.size, seg));
    else this.emit(this.access.store32(v, at, s.size, seg, s.space.kind === "segment"));
  }

  private matchAddress(v: Value): Address {
    const { base, index, shift, dispLow, dispHigh, wrap } = splitAddress(v);
    return {
      base: base ? this.value(base) : this.zero(),
      index: index ? this.value(index) : this.zero(),
      indexed: index !== undefined,
      shift,
      dispLow,
      dispHigh,
      wrap,
    };
  }
}
