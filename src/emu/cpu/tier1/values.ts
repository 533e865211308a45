/** Values of the IR to WebAssembly: each leaves its result on the stack. Flags are read through what is known of them (flags.ts). */
import type { IrInsn, UnaryOp, Value } from "../ir/types.ts";
import { OFF, SEG_STRIDE, SEGF, type SegIndex } from "../layout.ts";
import { FlagState, RELATION } from "./flags.ts";
import type { Frame } from "./frame.ts";
import { type FunctionBody, I32, I64, type OpName } from "./wasm.ts";

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
const isShift = (op: string): boolean => op === "shl" || op === "shr" || op === "sar" || op === "rol" || op === "ror";

export class Values {
  readonly f: FunctionBody;
  readonly frame: Frame;
  readonly flags: FlagState;
  /** Locals by the width of what they hold, shared by all instructions. */
  private readonly pools: { readonly [I32]: number[]; readonly [I64]: number[] } = { [I32]: [], [I64]: [] };
  private temps: readonly number[] = [];

  constructor(f: FunctionBody, frame: Frame) {
    this.f = f;
    this.frame = frame;
    this.flags = new FlagState(f, frame);
  }

  /** Gives the instruction's temporaries their locals. */
  startInstruction(ir: Pick<IrInsn, "temps">): void {
    const used = { [I32]: 0, [I64]: 0 };
    this.temps = ir.temps.map((type) => {
      const wasm = type === 64 ? I64 : I32;
      const pool = this.pools[wasm];
      const local = (pool[used[wasm]] ??= this.f.local(wasm));
      used[wasm]++;
      return local;
    });
  }

  temp(index: number): number {
    return this.temps[index]!;
  }

  segField(seg: SegIndex, field: number): number {
    return this.frame.base + OFF.SEG + seg * SEG_STRIDE + field;
  }

  op(type: 32 | 64, name: string): void {
    this.f.op(`i${type}.${name}` as OpName);
  }

  /** As 64 bits, zero-extended. */
  wide(v: Value): void {
    if (v.op === "const") {
      this.f.i64(v.low, v.type === 64 ? v.high : 0);
      return;
    }
    this.value(v);
    if (v.type === 32) this.f.op("i64.extend_u");
  }

  value(v: Value): void {
    const { f } = this;
    switch (v.op) {
      case "const":
        if (v.type === 64) f.i64(v.low, v.high);
        else f.i32(v.low);
        return;
      case "temp":
        f.get(this.temp(v.index));
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
        this.flags.condition(v.cc);
        return;
      case "eflags":
        this.flags.image(v.mask);
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
}
