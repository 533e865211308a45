/** The rows of call frame information: where, at an address, a function keeps its caller's registers. */
import type { Addr } from "../../../emu/cpu/state.ts";
import { type CfiReader, NoCfi } from "./cfi-reader.ts";
import type { Description, Program } from "./eh-frame.ts";

export type Rule =
  | { readonly kind: "undefined" | "same" }
  | { readonly kind: "offset" | "valueOffset"; readonly offset: bigint }
  | { readonly kind: "register"; readonly column: number }
  | { readonly kind: "expression" | "value"; readonly program: Program };

/** What holds at an address: the caller's stack pointer (CFA), and where its registers are. */
export interface Row {
  readonly cfa: { readonly column: number; readonly offset: bigint } | Program;
  readonly rules: ReadonlyMap<number, Rule>;
}

const noCfi = (): never => {
  throw new NoCfi();
};

/** Runs what the description says up to an address. */
export function rowAt(reader: CfiReader, found: Description, address: Addr): Row {
  const table = new Table(found, address);
  table.run(reader.from(found.initial.from), found.initial.to);
  table.initialDone();
  table.run(reader.from(found.own.from), found.own.to);
  return table.row;
}

/** Instructions with an operand in their low six bits, by the two above. */
const CFA = { advance: 1, offset: 2, restore: 3 };

class Table {
  readonly #found: Description;
  readonly #address: Addr;
  #location: Addr;
  #cfa: Row["cfa"] | undefined;
  #rules = new Map<number, Rule>();
  #initial: ReadonlyMap<number, Rule> = new Map();
  readonly #remembered: { readonly cfa: Row["cfa"] | undefined; readonly rules: ReadonlyMap<number, Rule> }[] = [];

  constructor(found: Description, address: Addr) {
    this.#found = found;
    this.#address = address;
    this.#location = found.start;
  }

  get row(): Row {
    return { cfa: this.#cfa ?? noCfi(), rules: this.#rules };
  }
  get dataAlign(): bigint {
    return this.#found.dataAlign;
  }

  initialDone(): void {
    this.#initial = new Map(this.#rules);
  }

  /** Up to `to`, or to what is for addresses behind the one looked for. */
  run(at: CfiReader, to: Addr): void {
    while (at.at < to && this.#location <= this.#address) {
      const byte = at.byte();
      const low = byte & 63;
      if (byte >> 6 === CFA.advance) this.advance(BigInt(low));
      else if (byte >> 6 === CFA.offset) this.set(low, { kind: "offset", offset: at.uleb() * this.dataAlign });
      else if (byte >> 6 === CFA.restore) this.restore(low);
      else (INSTRUCTIONS[low] ?? noCfi)(this, at);
    }
  }

  advance(delta: bigint): void {
    this.#location += Number(delta * this.#found.codeAlign);
  }
  set(column: number, rule: Rule): void {
    this.#rules.set(column, rule);
  }
  restore(column: number): void {
    const rule = this.#initial.get(column);
    if (rule === undefined) this.#rules.delete(column);
    else this.#rules.set(column, rule);
  }
  remember(): void {
    this.#remembered.push({ cfa: this.#cfa, rules: new Map(this.#rules) });
  }
  recall(): void {
    const { cfa, rules } = this.#remembered.pop() ?? noCfi();
    this.#cfa = cfa;
    this.#rules = new Map(rules);
  }
  set cfa(cfa: Row["cfa"]) {
    this.#cfa = cfa;
  }
  /** The CFA as a register and an offset. */
  get cfaRegister(): { readonly column: number; readonly offset: bigint } {
    return this.#cfa !== undefined && "column" in this.#cfa ? this.#cfa : noCfi();
  }
}

const column = (at: CfiReader): number => Number(at.uleb());

function block(at: CfiReader): Program {
  const length = Number(at.uleb());
  const program = { from: at.at, to: at.at + length };
  at.at += length;
  return program;
}

/** DW_CFA_*, by number. */
const INSTRUCTIONS: Readonly<Record<number, (table: Table, at: CfiReader) => void>> = {
  0: () => {}, // nop
  2: (table, at) => table.advance(at.unsigned(1)), // advance_loc1, 2, 4
  3: (table, at) => table.advance(at.unsigned(2)),
  4: (table, at) => table.advance(at.unsigned(4)),
  5: (table, at) => table.set(column(at), { kind: "offset", offset: at.uleb() * table.dataAlign }), // offset_extended
  6: (table, at) => table.restore(column(at)), // restore_extended
  7: (table, at) => table.set(column(at), { kind: "undefined" }), // undefined
  8: (table, at) => table.set(column(at), { kind: "same" }), // same_value
  9: (table, at) => table.set(column(at), { kind: "register", column: column(at) }), // register
  10: (table) => table.remember(), // remember_state
  11: (table) => table.recall(), // restore_state
  12: (table, at) => {
    table.cfa = { column: column(at), offset: at.uleb() }; // def_cfa
  },
  13: (table, at) => {
    table.cfa = { column: column(at), offset: table.cfaRegister.offset }; // def_cfa_register
  },
  14: (table, at) => {
    table.cfa = { column: table.cfaRegister.column, offset: at.uleb() }; // def_cfa_offset
  },
  15: (table, at) => {
    table.cfa = block(at); // def_cfa_expression
  },
  16: (table, at) => table.set(column(at), { kind: "expression", program: block(at) }), // expression
  17: (table, at) => table.set(column(at), { kind: "offset", offset: at.sleb() * table.dataAlign }), // offset_extended_sf
  18: (table, at) => {
    table.cfa = { column: column(at), offset: at.sleb() * table.dataAlign }; // def_cfa_sf
  },
  19: (table, at) => {
    table.cfa = { column: table.cfaRegister.column, offset: at.sleb() * table.dataAlign }; // def_cfa_offset_sf
  },
  20: (table, at) => table.set(column(at), { kind: "valueOffset", offset: at.uleb() * table.dataAlign }), // val_offset
  21: (table, at) => table.set(column(at), { kind: "valueOffset", offset: at.sleb() * table.dataAlign }), // val_offset_sf
  22: (table, at) => table.set(column(at), { kind: "value", program: block(at) }), // val_expression
  46: (_table, at) => void at.uleb(), // GNU_args_size
};
