/** A minimal assembler for WebAssembly modules: a memory, a table and functions imported; functions of one i32 exported by number. */

export const I32 = 0x7f;
export const I64 = 0x7e;
export type WasmType = typeof I32 | typeof I64;
const VOID = 0x40;

/** Opcodes by their text names. */
export const OP = {
  "i32.eqz": 0x45,
  "i32.eq": 0x46,
  "i32.ne": 0x47,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_s": 0x4a,
  "i32.gt_u": 0x4b,
  "i32.le_s": 0x4c,
  "i32.le_u": 0x4d,
  "i32.ge_s": 0x4e,
  "i32.ge_u": 0x4f,
  "i64.eqz": 0x50,
  "i64.eq": 0x51,
  "i64.ne": 0x52,
  "i64.lt_s": 0x53,
  "i64.lt_u": 0x54,
  "i64.gt_s": 0x55,
  "i64.gt_u": 0x56,
  "i64.le_s": 0x57,
  "i64.le_u": 0x58,
  "i64.ge_s": 0x59,
  "i64.ge_u": 0x5a,
  "i32.clz": 0x67,
  "i32.ctz": 0x68,
  "i32.popcnt": 0x69,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "i32.mul": 0x6c,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.xor": 0x73,
  "i32.shl": 0x74,
  "i32.shr_s": 0x75,
  "i32.shr_u": 0x76,
  "i32.rotl": 0x77,
  "i32.rotr": 0x78,
  "i64.clz": 0x79,
  "i64.ctz": 0x7a,
  "i64.popcnt": 0x7b,
  "i64.add": 0x7c,
  "i64.sub": 0x7d,
  "i64.mul": 0x7e,
  "i64.and": 0x83,
  "i64.or": 0x84,
  "i64.xor": 0x85,
  "i64.shl": 0x86,
  "i64.shr_s": 0x87,
  "i64.shr_u": 0x88,
  "i64.rotl": 0x89,
  "i64.rotr": 0x8a,
  "i32.wrap": 0xa7,
  "i64.extend_s": 0xac,
  "i64.extend_u": 0xad,
  select: 0x1b,
  return: 0x0f,
  unreachable: 0x00,
} as const;
export type OpName = keyof typeof OP;

/** Memory instructions: opcode. */
export const MEM = {
  "i32.load": 0x28,
  "i64.load": 0x29,
  "i32.load8_u": 0x2d,
  "i32.load16_u": 0x2f,
  "i32.store": 0x36,
  "i64.store": 0x37,
  "i32.store8": 0x3a,
  "i32.store16": 0x3b,
} as const;
export type MemName = keyof typeof MEM;

function unsigned(out: number[], value: number): void {
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    out.push(rest ? byte | 0x80 : byte);
  } while (rest);
}

function signed(out: number[], value: bigint): void {
  let rest = value;
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && !(byte & 0x40)) || (rest === -1n && byte & 0x40)) {
      out.push(byte);
      return;
    }
    out.push(byte | 0x80);
  }
}

/** A label that is open: its nesting depth. */
export type Label = number;

/** The body of a function of one i32 parameter and an i32 result. */
export class FunctionBody {
  private readonly code: number[] = [];
  private readonly locals: WasmType[] = [];
  private depth = 0;

  local(type: WasmType): number {
    this.locals.push(type);
    return this.locals.length;
  }
  op(name: OpName): this {
    this.code.push(OP[name]);
    return this;
  }
  get(local: number): this {
    return this.indexed(0x20, local);
  }
  set(local: number): this {
    return this.indexed(0x21, local);
  }
  tee(local: number): this {
    return this.indexed(0x22, local);
  }
  call(fn: number): this {
    return this.indexed(0x10, fn);
  }
  /** Calls the function of the module's own type whose index in the table is on the stack. */
  callIndirect(): this {
    this.code.push(0x11, OWN_TYPE, 0x00);
    return this;
  }
  private indexed(opcode: number, index: number): this {
    this.code.push(opcode);
    unsigned(this.code, index);
    return this;
  }
  i32(value: number): this {
    this.code.push(0x41);
    signed(this.code, BigInt(value | 0));
    return this;
  }
  /** From halves. */
  i64(low: number, high: number): this {
    this.code.push(0x42);
    signed(this.code, (BigInt(high | 0) << 32n) | BigInt(low >>> 0));
    return this;
  }
  /** Load or store at the address on the stack plus `offset`; no alignment is promised. */
  mem(name: MemName, offset: number): this {
    this.code.push(MEM[name], 0);
    unsigned(this.code, offset);
    return this;
  }

  unreachable(): this {
    return this.op("unreachable");
  }

  block(): Label {
    return this.open(0x02);
  }
  loop(): Label {
    return this.open(0x03);
  }
  if(): Label {
    return this.open(0x04);
  }
  else(): this {
    this.code.push(0x05);
    return this;
  }
  private open(opcode: number): Label {
    this.code.push(opcode, VOID);
    return ++this.depth;
  }
  end(): this {
    this.code.push(0x0b);
    this.depth--;
    return this;
  }
  br(label: Label): this {
    return this.indexed(0x0c, this.depth - label);
  }
  brIf(label: Label): this {
    return this.indexed(0x0d, this.depth - label);
  }
  /** Branches to the label whose index is on the stack; the last one is the default too. */
  brTable(labels: readonly Label[]): this {
    this.code.push(0x0e);
    unsigned(this.code, labels.length - 1);
    for (const label of labels) unsigned(this.code, this.depth - label);
    return this;
  }

  bytes(): number[] {
    const out: number[] = [];
    unsigned(out, this.locals.length);
    for (const type of this.locals) out.push(1, type);
    for (const byte of this.code) out.push(byte);
    out.push(0x0b);
    return out;
  }
}

/** An imported function: number of i32 parameters; the result is an i32. */
export interface ImportedFunction {
  readonly name: string;
  readonly parameters: number;
}

function section(out: number[], id: number, content: readonly number[]): void {
  out.push(id);
  unsigned(out, content.length);
  for (const byte of content) out.push(byte);
}
function text(out: number[], value: string): void {
  unsigned(out, value.length);
  for (let i = 0; i < value.length; i++) out.push(value.charCodeAt(i));
}

/** Type 0 is that of the module's own functions. */
const OWN_TYPE = 0;

function importSection(imports: readonly ImportedFunction[], pages: number, arities: readonly number[]): number[] {
  const out: number[] = [];
  unsigned(out, imports.length + 2);
  text(out, "env");
  text(out, "memory");
  out.push(0x02, 0x01);
  unsigned(out, pages);
  unsigned(out, pages);
  text(out, "env");
  text(out, "table");
  out.push(0x01, 0x70, 0x00, 0x00);
  for (const fn of imports) {
    text(out, "env");
    text(out, fn.name);
    out.push(0x00, arities.indexOf(fn.parameters));
  }
  return out;
}

/** Imports come from "env": the memory as "memory", a table of functions as "table", functions by name. Exports are "0", "1", ... */
export function moduleBytes(
  bodies: readonly FunctionBody[],
  imports: readonly ImportedFunction[],
  pages: number,
): Uint8Array<ArrayBuffer> {
  const out = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const arities = [...new Set([1, ...imports.map((f) => f.parameters)])];
  const types: number[] = [];
  unsigned(types, arities.length);
  for (const arity of arities) types.push(0x60, arity, ...new Array<number>(arity).fill(I32), 1, I32);
  section(out, 1, types);
  section(out, 2, importSection(imports, pages, arities));
  const functions: number[] = [];
  const exported: number[] = [];
  const code: number[] = [];
  for (const list of [functions, exported, code]) unsigned(list, bodies.length);
  bodies.forEach((body, i) => {
    functions.push(OWN_TYPE);
    text(exported, `${i}`);
    exported.push(0x00);
    unsigned(exported, imports.length + i);
    const bytes = body.bytes();
    unsigned(code, bytes.length);
    for (const byte of bytes) code.push(byte);
  });
  section(out, 3, functions);
  section(out, 7, exported);
  section(out, 10, code);
  return new Uint8Array(out);
}
