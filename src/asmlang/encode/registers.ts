/** Registers by class, number and width: a flat table over iced's Register values, which come in runs per class. */
import { Register } from "../../emu/cpu/iced.ts";

export type RegClass =
  | "r8"
  | "r16"
  | "r32"
  | "r64"
  | "ip"
  | "seg"
  | "xmm"
  | "ymm"
  | "zmm"
  | "k"
  | "bnd"
  | "cr"
  | "dr"
  | "st"
  | "mm"
  | "tr"
  | "tmm";

export interface RegInfo {
  readonly class: RegClass;
  /** Number as encoded, 0 to 31. */
  readonly number: number;
  /** Bytes. */
  readonly size: number;
  /** AH CH DH BH, which no instruction with a REX prefix can name; SPL BPL SIL DIL, which need one. */
  readonly rex: "no" | "needs" | "any";
  /** Operand shape for the form cache: registers with forms of their own (AL, CL, DX, segments ...) have their own. */
  readonly shape: string;
}

/** First and last register of each run, and the operand size in bytes. */
const RUNS: readonly (readonly [RegClass, number, number, number])[] = [
  ["r16", Register.AX, Register.R15W, 2],
  ["r32", Register.EAX, Register.R15D, 4],
  ["r64", Register.RAX, Register.R15, 8],
  ["seg", Register.ES, Register.GS, 2],
  ["xmm", Register.XMM0, Register.XMM31, 16],
  ["ymm", Register.YMM0, Register.YMM31, 32],
  ["zmm", Register.ZMM0, Register.ZMM31, 64],
  ["k", Register.K0, Register.K7, 8],
  ["bnd", Register.BND0, Register.BND3, 16],
  ["cr", Register.CR0, Register.CR15, 8],
  ["dr", Register.DR0, Register.DR15, 8],
  ["st", Register.ST0, Register.ST7, 10],
  ["mm", Register.MM0, Register.MM7, 8],
  ["tr", Register.TR0, Register.TR7, 4],
  ["tmm", Register.TMM0, Register.TMM7, 1024],
];

/** Registers that some form names: they are their own shape. */
const SINGLED_OUT = new Set<number>([
  Register.AL,
  Register.CL,
  Register.AX,
  Register.DX,
  Register.EAX,
  Register.RAX,
  Register.ST0,
]);

function shapeOf(register: number, kind: RegClass): string {
  return SINGLED_OUT.has(register) || kind === "seg" ? `${kind}=${register}` : kind;
}

function build(): readonly (RegInfo | undefined)[] {
  const table: (RegInfo | undefined)[] = [];
  const add = (register: number, kind: RegClass, number: number, size: number, rex: RegInfo["rex"] = "any"): void => {
    table[register] = { class: kind, number, size, rex, shape: shapeOf(register, kind) };
  };
  for (let i = 0; i < 8; i++) add(Register.AL + i, "r8", i, 1, i < 4 ? "any" : "no");
  for (let i = 4; i < 16; i++) add(Register.SPL + i - 4, "r8", i, 1, i < 8 ? "needs" : "any");
  for (const [kind, first, last, size] of RUNS) {
    for (let register = first; register <= last; register++) add(register, kind, register - first, size);
  }
  add(Register.EIP, "ip", 0, 4);
  add(Register.RIP, "ip", 0, 8);
  return table;
}

const TABLE = build();

/** undefined for values that are no register. */
export function regInfo(register: number): RegInfo | undefined {
  return TABLE[register];
}
