/**
 * XMM, YMM, MMX and x87 registers as references. A vector's elements have gdb's names: `xmm0.v4_float`, `ymm1.v32_int8`, and one of them is
 * `xmm0.v4_float[1]`.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { OFF } from "../../emu/cpu/layout.ts";
import { readBits, writeBits } from "../../emu/cpu/ops/x87-state.ts";
import { littleEndian } from "./guest-memory.ts";
import type { Reference } from "./reference.ts";

interface Bank {
  readonly count: number;
  readonly bits: 64 | 128 | 256;
  readonly offset: number;
  readonly stride: number;
}

const BANKS: Readonly<Record<string, Bank>> = {
  xmm: { count: 16, bits: 128, offset: OFF.YMM, stride: 32 },
  ymm: { count: 16, bits: 256, offset: OFF.YMM, stride: 32 },
  mm: { count: 8, bits: 64, offset: OFF.X87, stride: 16 },
};

const ELEMENTS = { float: 32, double: 64, int8: 8, int16: 16, int32: 32, int64: 64 } as const;
type Element = keyof typeof ELEMENTS;
/** MMX has integers alone, and one of 64 bits is the register itself. */
const MMX_ELEMENTS: readonly Element[] = ["int8", "int16", "int32"];

const elementsIn = (bits: number): readonly Element[] =>
  bits === 64 ? MMX_ELEMENTS : (Object.keys(ELEMENTS) as Element[]);
const viewName = (bits: number, element: Element): string => `v${bits / ELEMENTS[element]}_${element}`;

/** Names of what a vector register can be looked at as: "v4_float", ... */
export const viewsOf = (register: string): string[] => {
  const { bits } = BANKS[register.replace(/\d+$/, "")]!;
  return elementsIn(bits).map((element) => viewName(bits, element));
};

/** A register, or a view of one, by its name in lower case. */
export function vectorReference(cpu: Cpu, name: string): Reference | undefined {
  const stack = /^st([0-7])$/.exec(name);
  if (stack !== null) return x87Reference(cpu, Number(stack[1]));
  const [, bankName, number, view] = /^(xmm|ymm|mm)(\d|1\d)(?:\.(v\d+_\w+))?$/.exec(name) ?? [];
  const bank = BANKS[bankName ?? ""];
  if (bank === undefined || Number(number) >= bank.count) return undefined;
  const at = bank.offset + Number(number) * bank.stride;
  if (view === undefined) return bytesOf(cpu, at, bank.bits);
  const element = elementsIn(bank.bits).find((each) => viewName(bank.bits, each) === view);
  return element && elementsOf(cpu, at, bank.bits, element);
}

function elementsOf(cpu: Cpu, at: number, bits: number, element: Element): Reference {
  const each = ELEMENTS[element];
  const isReal = element === "float" || element === "double";
  const elements = Array.from({ length: bits / each }, (_, i) => ({
    ...bytesOf(cpu, at + i * (each / 8), each),
    ...(isReal ? ({ real: true } as const) : {}),
  }));
  return { bits, read: bytesOf(cpu, at, bits).read, elements };
}

function bytesOf(cpu: Cpu, offset: number, bits: number): Reference {
  const bytes = (): Uint8Array => cpu.core.u8.subarray(cpu.base + offset, cpu.base + offset + bits / 8);
  return {
    bits,
    read: () => littleEndian(bytes()),
    write: (value) => {
      bytes().set(Array.from({ length: bits / 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)));
    },
  };
}

/** Of the register stack, from its top. What is written is there: it is not empty any more. */
function x87Reference(cpu: Cpu, i: number): Reference {
  return {
    bits: 80,
    real: true,
    read: () => {
      const { mant, signExponent } = readBits(cpu, i);
      return (BigInt(signExponent) << 64n) | mant;
    },
    write: (value) =>
      writeBits(cpu, i, { mant: BigInt.asUintN(64, value), signExponent: Number((value >> 64n) & 0xffffn) }),
  };
}

const VECTORS = Object.entries(BANKS).flatMap(([bank, { count }]) => Array.from({ length: count }, (_, i) => bank + i));
const STACK = Array.from({ length: 8 }, (_, i) => `st${i}`);

/** Every name, for completion. */
export const VECTOR_NAMES: readonly string[] = [
  ...VECTORS,
  ...STACK,
  ...VECTORS.flatMap((name) => viewsOf(name).map((view) => `${name}.${view}`)),
];
