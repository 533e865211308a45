/**
 * The caller by call frame information (DWARF's CFI): what a compiler has written of where a function keeps its caller's registers. Used
 * where following the code does not tell.
 */

import type { Known } from "../../../emu/cpu/ir/foresee.ts";
import { GPR } from "../../../emu/cpu/layout.ts";
import type { Addr } from "../../../emu/cpu/state.ts";
import { CfiReader, NoCfi, type SpecialPages } from "./cfi-reader.ts";
import { type Row, type Rule, rowAt } from "./cfi-rows.ts";
import { type Description, describedByHeader, type EhFrame, ehFrameHeader, type Program } from "./eh-frame.ts";
import type { Return } from "./far-returns.ts";
import type { Place } from "./place.ts";

/** Where frame descriptions of an address may be: an ELF file that is mapped there, or an .eh_frame by itself. */
export interface CfiSource {
  readonly elf?: Addr | undefined;
  readonly frames?: EhFrame | undefined;
  readonly special?: SpecialPages | undefined;
}

/** Our numbers of registers by DWARF's. */
const COLUMNS_64 = [
  GPR.RAX,
  GPR.RDX,
  GPR.RCX,
  GPR.RBX,
  GPR.RSI,
  GPR.RDI,
  GPR.RBP,
  GPR.RSP,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
];
const COLUMNS_32 = [GPR.RAX, GPR.RCX, GPR.RDX, GPR.RBX, GPR.RSP, GPR.RBP, GPR.RSI, GPR.RDI];

/**
 * The caller of the code at `from`; "outermost" where the information says that there is none; undefined where there is no information.
 * @param behindCall the address is one behind a call, which may be the last of its function.
 */
export function callerByCfi(from: Place, source: CfiSource, behindCall: boolean): Return | "outermost" | undefined {
  const { bits } = from.mode.code;
  if (bits === 16) return undefined;
  const reader = new CfiReader(from.cpu, bits === 64 ? 8 : 4, 0, source.special);
  try {
    const address = behindCall ? from.address - 1 : from.address;
    const description = find(from, reader, source, address) ?? signalFrame(from, reader, source);
    if (description === undefined) return undefined;
    return unwind(from, reader, description, address);
  } catch (error) {
    if (error instanceof NoCfi) return undefined;
    throw error;
  }
}

function find(from: Place, reader: CfiReader, { elf, frames }: CfiSource, address: Addr): Description | undefined {
  const header = elf === undefined ? undefined : headerOf(from, reader, elf);
  if (header !== undefined) return describedByHeader(reader, header, address);
  return frames?.describe(reader, address);
}

function headerOf({ notes: { headers } }: Place, reader: CfiReader, elf: Addr): Addr | undefined {
  if (!headers.has(elf)) headers.set(elf, ehFrameHeader(reader, elf));
  return headers.get(elf);
}

/** A restorer has no call in front of it. */
function signalFrame(from: Place, reader: CfiReader, source: CfiSource): Description | undefined {
  const found = find(from, reader, source, from.address);
  return found?.signal === true ? found : undefined;
}

function unwind(from: Place, reader: CfiReader, found: Description, address: Addr): Return | "outermost" | undefined {
  const row = rowAt(reader, found, address);
  const frame = new Values(from, reader);
  const cfa = "from" in row.cfa ? frame.compute(row.cfa, []) : frame.plus(row.cfa.column, row.cfa.offset);
  const rule = row.rules.get(found.returnColumn);
  if (rule === undefined || rule.kind === "undefined") return "outermost";
  const ip = frame.restore(rule, cfa, undefined);
  if (ip === undefined) return undefined;
  const to = from.at(from.mode, ip);
  for (const [column, register] of frame.columns.entries())
    to.regs[register] = callersRegister(frame, row, column, register, cfa);
  if (!row.rules.has(frame.columns.indexOf(GPR.RSP))) to.regs[GPR.RSP] = cfa;
  to.flagsKnown = 0;
  return { kind: found.signal ? "signal" : "return", to };
}

/** What calls keep, a function that says nothing of it has not touched. */
const KEPT: ReadonlySet<number> = new Set([GPR.RBX, GPR.RBP, GPR.RSI, GPR.RDI, 12, 13, 14, 15]);
const KEPT_64_NOT: ReadonlySet<number> = new Set([GPR.RSI, GPR.RDI]);

function callersRegister(frame: Values, row: Row, column: number, register: number, cfa: bigint): Known {
  const rule = row.rules.get(column);
  if (rule !== undefined) return frame.restore(rule, cfa, register);
  const kept = KEPT.has(register) && !(frame.wide && KEPT_64_NOT.has(register));
  return kept ? frame.register(register) : undefined;
}

/** Values as the frame has them. */
class Values {
  readonly place: Place;
  readonly reader: CfiReader;
  readonly wide: boolean;
  readonly columns: readonly number[];

  constructor(place: Place, reader: CfiReader) {
    this.place = place;
    this.reader = reader;
    this.wide = reader.word === 8;
    this.columns = this.wide ? COLUMNS_64 : COLUMNS_32;
  }

  register(index: number): Known {
    const value = this.place.regs[index];
    return value === undefined ? undefined : BigInt.asUintN(this.reader.word * 8, value);
  }

  /** A register by DWARF's number (the instruction pointer comes behind the general ones), plus an offset. */
  plus(column: number, offset: bigint): bigint {
    const value = column === this.columns.length ? this.place.ip : this.register(this.columns[column] ?? -1);
    if (value === undefined) throw new NoCfi();
    return BigInt.asUintN(this.reader.word * 8, value + offset);
  }

  load(address: bigint): Known {
    return this.place.load(address, this.reader.word);
  }

  restore(rule: Rule, cfa: bigint, register: number | undefined): Known {
    switch (rule.kind) {
      case "undefined":
        return undefined;
      case "same":
        return register === undefined ? undefined : this.register(register);
      case "offset":
        return this.load(cfa + rule.offset);
      case "valueOffset":
        return cfa + rule.offset;
      case "register":
        return this.plus(rule.column, 0n);
      case "expression":
        return this.load(this.compute(rule.program, [cfa]));
      case "value":
        return this.compute(rule.program, [cfa]);
    }
  }

  /** A DWARF expression, of the operations that frame information uses. */
  compute({ from, to }: Program, stack: bigint[]): bigint {
    const at = this.reader.from(from);
    const pop = (): bigint => {
      const value = stack.pop();
      if (value === undefined) throw new NoCfi();
      return value;
    };
    while (at.at < to) {
      const op = at.byte();
      const binary = BINARY[op];
      const constant = CONSTANT[op];
      if (op >= OP.lit0 && op < OP.lit0 + 32) stack.push(BigInt(op - OP.lit0));
      else if (op >= OP.breg0 && op < OP.breg0 + 32) stack.push(this.plus(op - OP.breg0, at.sleb()));
      else if (constant !== undefined) stack.push(constant(at));
      else if (op === OP.deref) stack.push(this.load(pop()) ?? noCfi());
      else if (op === OP.dup) stack.push(stack.at(-1) ?? noCfi());
      else if (op === OP.plusConstant) stack.push(pop() + at.uleb());
      else if (binary !== undefined) {
        const right = pop();
        stack.push(BigInt.asUintN(64, binary(pop(), right)));
      } else throw new NoCfi();
    }
    return pop();
  }
}

const noCfi = (): never => {
  throw new NoCfi();
};

/** DW_OP_*. */
const OP = { deref: 0x06, dup: 0x12, plusConstant: 0x23, lit0: 0x30, breg0: 0x70 };
const CONSTANT: Readonly<Record<number, (at: CfiReader) => bigint>> = {
  3: (at) => at.unsigned(at.word),
  8: (at) => at.unsigned(1),
  9: (at) => at.signed(1),
  10: (at) => at.unsigned(2),
  11: (at) => at.signed(2),
  12: (at) => at.unsigned(4),
  13: (at) => at.signed(4),
  16: (at) => at.uleb(),
  17: (at) => at.sleb(),
};
const truth = (value: boolean): bigint => (value ? 1n : 0n);
const signed = (value: bigint): bigint => BigInt.asIntN(64, value);
const BINARY: Readonly<Record<number, (left: bigint, right: bigint) => bigint>> = {
  26: (a, b) => a & b,
  28: (a, b) => a - b,
  30: (a, b) => a * b,
  33: (a, b) => a | b,
  34: (a, b) => a + b,
  36: (a, b) => a << (b & 63n),
  37: (a, b) => a >> (b & 63n),
  41: (a, b) => truth(a === b),
  42: (a, b) => truth(signed(a) >= signed(b)),
  43: (a, b) => truth(signed(a) > signed(b)),
  44: (a, b) => truth(signed(a) <= signed(b)),
  45: (a, b) => truth(signed(a) < signed(b)),
  46: (a, b) => truth(a !== b),
};
