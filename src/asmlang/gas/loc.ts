/** `.file` and `.loc`: where the compiler that wrote this assembly got its instructions from. */
import { SourceError } from "../core/diagnostics.ts";
import type { DebugRow } from "../types.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";
import { readText } from "./expressions.ts";

interface Pending {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  statement: boolean;
  mark: DebugRow["mark"];
}

export class SourceLocations {
  readonly #files = new Map<number, string>();
  #pending: Pending | undefined;
  /** `is_stmt` holds until it is changed. */
  #statement = true;
  readonly #assembler: GasAssembler;

  constructor(assembler: GasAssembler) {
    this.#assembler = assembler;
  }

  name(index: number, file: string): void {
    this.#files.set(index, file);
  }

  file(index: number): string | undefined {
    return this.#files.get(index);
  }

  expect(file: string, line: number, column: number, cursor: Cursor): Pending {
    this.emit(cursor); // one that no instruction followed has a row, too
    this.#pending = { file, line, column, statement: this.#statement, mark: undefined };
    return this.#pending;
  }

  setStatement(pending: Pending, statement: boolean): void {
    this.#statement = statement;
    pending.statement = statement;
  }

  /** A `.loc` that no instruction has followed yet. */
  get waiting(): boolean {
    return this.#pending !== undefined;
  }

  /** An instruction comes next. */
  emit(cursor: Cursor): void {
    if (!this.#pending) return;
    const { builder } = this.#assembler;
    builder.locations.push({ at: builder.here(cursor.line), ...this.#pending });
    this.#pending = undefined;
  }
}

/** `.file "name"`, `.file n "name"` or `.file n "folder" "name"` */
const file: Directive = (assembler, cursor) => {
  cursor.skipSpace();
  if (cursor.peek() === '"') {
    readText(cursor);
    return;
  }
  const start = cursor.at;
  const index = Number(assembler.constant(cursor, "the number of the file"));
  if (index < 0) throw new SourceError(cursor.span(start), "the number of a file is not negative");
  const first = readText(cursor);
  const second = cursor.skipSpace().peek() === '"' ? readText(cursor) : undefined;
  const name = second === undefined || second.startsWith("/") ? (second ?? first) : `${first}/${second}`;
  const known = assembler.locations.file(index);
  if (known !== undefined && known !== name)
    throw new SourceError(cursor.span(start), `file ${index} is '${known}' already`);
  assembler.locations.name(index, name);
  cursor.rest(); // a checksum
};

const MARKS = new Set(["basic_block", "prologue_end", "epilogue_begin"]);

/** `.loc file line [column] [options]` */
const loc: Directive = (assembler, cursor) => {
  const start = cursor.skipSpace().at;
  const index = Number(assembler.constant(cursor, "the number of the file"));
  const name = assembler.locations.file(index);
  if (name === undefined) throw new SourceError(cursor.span(start), `no '.file' has the number ${index}`);
  const line = Number(assembler.constant(cursor, "the line"));
  cursor.skipSpace();
  const column = /\d/.test(cursor.peek()) ? Number(assembler.constant(cursor, "the column")) : 0;
  const pending = assembler.locations.expect(name, line, column, cursor);
  while (!cursor.done) {
    const { name: option, span } = cursor.name("an option of '.loc'");
    if (MARKS.has(option)) pending.mark = option as DebugRow["mark"];
    else if (option === "is_stmt") {
      const value = assembler.constant(cursor, "is_stmt");
      if (value !== 0n && value !== 1n) throw new SourceError(span, "'is_stmt' is 0 or 1");
      assembler.locations.setStatement(pending, value === 1n);
    } else if (option === "view") readView(assembler, cursor);
    else if (option === "isa" || option === "discriminator") assembler.constant(cursor, `the ${option}`);
    else throw new SourceError(span, `unknown option '${option}' of '.loc'`);
  }
};

/** `view 0` asserts, `view -0` resets, `view name` gives the number a name. */
function readView(assembler: GasAssembler, cursor: Cursor): void {
  const label = cursor.skipSpace().match(/[A-Za-z_.$][\w.$]*/y);
  if (label === undefined) assembler.constant(cursor, "the view");
}

export const LOCATIONS: Readonly<Record<string, Directive>> = { ".file": file, ".loc": loc };
