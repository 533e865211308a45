/**
 * C structures of the kernel's ABI as values: a list of fields gives size, alignment and offsets by C's own rules, and a view reads and
 * writes them in a byte array. Nothing here knows guest memory: callers copy whole structures in and out.
 */
export interface Scalar {
  readonly kind: "scalar";
  readonly size: 1 | 2 | 4 | 8;
  readonly align: number;
  readonly signed: boolean;
}
/** A run of bytes that is only ever copied: arrays, unused space, nested data that has a view of its own. */
export interface Blob {
  readonly kind: "blob";
  readonly size: number;
  readonly align: number;
}
export type FieldType = Scalar | Blob | Struct<Fields>;
export type Fields = { readonly [name: string]: FieldType };
/** Field names; those of nested structures are joined by a dot: "uc_stack.ss_sp". */
export type Keys<F> = { [K in keyof F & string]: F[K] extends Struct<infer G> ? K | `${K}.${Keys<G>}` : K }[keyof F &
  string];

const scalar = (size: 1 | 2 | 4 | 8, signed: boolean, align: number = size): Scalar => ({
  kind: "scalar",
  size,
  align,
  signed,
});
export const u8 = scalar(1, false);
export const s8 = scalar(1, true);
export const u16 = scalar(2, false);
export const s16 = scalar(2, true);
export const u32 = scalar(4, false);
export const s32 = scalar(4, true);
export const u64 = scalar(8, false);
export const s64 = scalar(8, true);
/** 64 bits with the i386's alignment of 4. */
export const compat_u64 = scalar(8, false, 4);
export const compat_s64 = scalar(8, true, 4);
export const blob = (size: number, align = 1): Blob => ({ kind: "blob", size, align });

interface Slot {
  readonly offset: number;
  readonly size: number;
  readonly type: FieldType;
}

export class Struct<F extends Fields> {
  readonly kind = "struct";
  readonly size: number;
  readonly align: number;
  /** offsetof(), nested names included. */
  readonly offset: { readonly [K in Keys<F>]: number };
  readonly slots: ReadonlyMap<string, Slot>;

  /** @param size total bytes where the structure is larger than its named fields (a union's arm). */
  constructor(fields: F, size?: number, packed = false) {
    const slots = new Map<string, Slot>();
    let end = 0;
    let align = 1;
    for (const [name, type] of Object.entries(fields)) {
      const fieldAlign = packed ? 1 : type.align;
      const offset = roundUp(end, fieldAlign);
      slots.set(name, { offset, size: type.size, type });
      if (type.kind === "struct") {
        for (const [inner, slot] of type.slots)
          slots.set(`${name}.${inner}`, { ...slot, offset: offset + slot.offset });
      }
      end = offset + type.size;
      align = Math.max(align, fieldAlign);
    }
    this.slots = slots;
    this.align = align;
    this.size = size ?? roundUp(end, align);
    this.offset = Object.fromEntries([...slots].map(([name, slot]) => [name, slot.offset])) as {
      [K in Keys<F>]: number;
    };
  }

  sizeOf(name: Keys<F>): number {
    return this.slots.get(name)!.size;
  }

  /** A view of existing bytes. */
  at(bytes: Uint8Array, start = 0): View<F> {
    return new View(this, bytes, start);
  }

  /** A new, zeroed structure with the given fields set. */
  make(values: Partial<Record<Keys<F>, number | bigint>> = {}): View<F> {
    return new View(this, new Uint8Array(this.size), 0).assign(values);
  }
}

export class View<F extends Fields> {
  readonly struct: Struct<F>;
  readonly bytes: Uint8Array;
  readonly start: number;
  private readonly data: DataView;

  constructor(struct: Struct<F>, bytes: Uint8Array, start: number) {
    if (start + struct.size > bytes.length)
      throw new RangeError(`structure of ${struct.size} bytes at ${start} of ${bytes.length}`);
    this.struct = struct;
    this.bytes = bytes;
    this.start = start;
    this.data = new DataView(bytes.buffer, bytes.byteOffset + start, struct.size);
  }

  /** A scalar as a number; 64-bit ones lose bits beyond 2^53, see `big`. */
  get(name: Keys<F>): number {
    const { offset, type } = this.slot(name);
    if (type.size === 8) return Number(this.big(name));
    if (type.size === 4) return type.signed ? this.data.getInt32(offset, true) : this.data.getUint32(offset, true);
    if (type.size === 2) return type.signed ? this.data.getInt16(offset, true) : this.data.getUint16(offset, true);
    return type.signed ? this.data.getInt8(offset) : this.data.getUint8(offset);
  }

  /** A scalar as a bigint, sign- or zero-extended as its type says. */
  big(name: Keys<F>): bigint {
    const { offset, type } = this.slot(name);
    if (type.size < 8) return BigInt(this.get(name));
    return type.signed ? this.data.getBigInt64(offset, true) : this.data.getBigUint64(offset, true);
  }

  /** Sets a scalar; the value is truncated to its size. Numbers must be integers. */
  set(name: Keys<F>, value: number | bigint): this {
    const { offset, type } = this.slot(name);
    if (type.size === 8) this.data.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), true);
    else {
      const low = typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : value;
      if (type.size === 4) this.data.setInt32(offset, low, true);
      else if (type.size === 2) this.data.setInt16(offset, low, true);
      else this.data.setInt8(offset, low);
    }
    return this;
  }

  assign(values: Partial<Record<Keys<F>, number | bigint>>): this {
    for (const [name, value] of Object.entries(values)) this.set(name as Keys<F>, value as number | bigint);
    return this;
  }

  /** The bytes of a field, shared with the structure: for arrays, nested structures and padding. */
  region(name: Keys<F>): Uint8Array {
    const slot = this.struct.slots.get(name)!;
    return this.bytes.subarray(this.start + slot.offset, this.start + slot.offset + slot.size);
  }

  private slot(name: Keys<F>): { offset: number; type: Scalar } {
    const slot = this.struct.slots.get(name);
    if (slot === undefined || slot.type.kind !== "scalar") throw new Error(`no scalar field ${name}`);
    return { offset: slot.offset, type: slot.type };
  }
}

export const struct = <F extends Fields>(fields: F, size?: number): Struct<F> => new Struct(fields, size);
/** `__attribute__((packed))`. */
export const packed = <F extends Fields>(fields: F): Struct<F> => new Struct(fields, undefined, true);

/** Up to the next multiple of a power of two or any positive number. */
export const roundUp = (value: number, align: number): number => Math.ceil(value / align) * align;
export const roundDown = (value: number, align: number): number => Math.floor(value / align) * align;
