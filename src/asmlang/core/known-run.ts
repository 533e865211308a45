/**
 * Known statements and labels of lines that follow each other, put together: each name in them is looked up once, bytes that
 * follow each other are one piece. Put into a section it is what the lines would be one by one, if their names mean the same
 * and the labels in it are free. It may assume what holds for its statements: the dialect's state is what it was, and so is
 * what its preprocessor makes of the words.
 */
import { ByteBuffer } from "./buffer.ts";
import type { ObjectBuilder } from "./builder.ts";
import type { PendingFixup } from "./fragment.ts";
import type { Statement } from "./instruction.ts";
import {
  Attaching,
  attached,
  type KnownStatement,
  type MakeFragment,
  type NameScope,
  type Part,
  renumbered,
  renumberedStatement,
} from "./known-statement.ts";
import { append } from "./lists.ts";
import { type Meaning, meaningOf } from "./mentions.ts";
import type { Span } from "./source.ts";
import type { BlockLines } from "./source-blocks.ts";
import type { AsmSymbol } from "./symbols.ts";

/** A label where it stands in its line; its name is what the dialect's scope knows it by. */
export interface KnownLabel extends Part {
  readonly name: string;
}

/** Part of a line of a block. */
interface Place {
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

export interface RunScope extends NameScope {
  /** The symbol of a label that is about to be placed. */
  label(name: string, span: Span): AsmSymbol;
}

interface RunName {
  readonly name: string;
  /** First use, and what the name stood for then, if that was before its label. */
  use: Place | undefined;
  meaning: Meaning;
  label: Place | undefined;
}

interface BytesStep {
  readonly line: number;
  readonly bytes: ByteBuffer;
  /** All of them, once the run is complete. */
  view?: Uint8Array;
  readonly rows: { readonly offset: number; readonly line: number; readonly code: boolean }[];
  readonly fixups: { readonly line: number; readonly fixup: PendingFixup }[];
  readonly labels: { readonly name: number; readonly offset: number }[];
}

interface FragmentStep {
  readonly line: number;
  readonly code: boolean;
  readonly statement: Statement;
  readonly make: MakeFragment;
}

const isBytes = (step: BytesStep | FragmentStep): step is BytesStep => "bytes" in step;

const spanOf = ({ line, start, end }: Place, lines: BlockLines): Span => ({ line: lines.at(line), start, end });

export class KnownRun {
  readonly #names: RunName[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #steps: (BytesStep | FragmentStep)[] = [];
  #bytes = 0;
  #fixups = 0;

  /** The label of a line; false if there is one of that name already. */
  addLabel({ name, start, end }: KnownLabel, line: number): boolean {
    const number = this.#number(name);
    const entry = this.#names[number]!;
    if (entry.label) return false;
    entry.label = { line, start, end };
    const step = this.#open(line);
    step.labels.push({ name: number, offset: step.bytes.length });
    return true;
  }

  /** The statement of a line; `named` gives its names as they are at the start of the run. */
  addStatement(known: KnownStatement, line: number, named: (name: string) => string): void {
    const numbers = known.names.map(({ name, meaning, start, end }) => {
      const number = this.#number(named(name));
      const entry = this.#names[number]!;
      if (!entry.use && !entry.label) entry.meaning = meaning;
      entry.use ??= { line, start, end };
      return number;
    });
    const { code, instruction } = known;
    if (instruction) {
      const statement = renumberedStatement(instruction.statement, numbers);
      this.#steps.push({ line, code, statement, make: instruction.make });
    } else this.#addBytes(known, line, numbers);
  }

  #addBytes({ bytes, fixups, code }: KnownStatement, line: number, numbers: readonly number[]): void {
    const step = this.#open(line);
    const at = step.bytes.length;
    step.rows.push({ offset: at, line, code });
    step.bytes.push(bytes);
    for (const fixup of fixups) {
      const expr = renumbered(fixup.expr, numbers);
      step.fixups.push({ line, fixup: { ...fixup, offset: fixup.offset + at, expr } });
    }
    this.#bytes += bytes.length;
    this.#fixups += fixups.length;
  }

  #open(line: number): BytesStep {
    const last = this.#steps.at(-1);
    if (last && isBytes(last)) return last;
    const step: BytesStep = { line, bytes: new ByteBuffer(), rows: [], fixups: [], labels: [] };
    this.#steps.push(step);
    return step;
  }

  #number(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#names.push({ name, use: undefined, meaning: undefined, label: undefined }) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }

  /** Puts it at the present place; false if it does not hold there. */
  replay(builder: ObjectBuilder, lines: BlockLines, scope: RunScope): boolean {
    const { budget } = builder;
    if (!budget.has("bytes", this.#bytes) || !budget.has("fields", this.#fixups)) return false;
    const symbols = this.#symbols(lines, scope);
    if (!symbols) return false;
    for (const step of this.#steps)
      if (isBytes(step)) putBytes(step, builder, lines, symbols);
      else {
        const line = lines.at(step.line);
        const fragment = builder.add(step.make(builder, line, new Attaching(step.statement, symbols, line)));
        builder.row(fragment, 0, line, step.code ? builder.bits : undefined);
      }
    return true;
  }

  #symbols(lines: BlockLines, scope: RunScope): AsmSymbol[] | undefined {
    const found: (AsmSymbol | null)[] = [];
    for (const { name, use, meaning, label } of this.#names) {
      const symbol = scope.find(name);
      if (symbol === undefined || (label && symbol?.definition)) return undefined;
      if (use && !label && meaningOf(symbol ?? undefined, scope.now) !== meaning) return undefined;
      found.push(symbol);
    }
    return this.#names.map(({ name, use, label }, i) => {
      let symbol = found[i];
      if (use && !symbol?.firstUse) symbol = scope.use(name, spanOf(use, lines));
      return label ? scope.label(name, spanOf(label, lines)) : symbol!;
    });
  }
}

function putBytes(step: BytesStep, builder: ObjectBuilder, lines: BlockLines, symbols: readonly AsmSymbol[]): void {
  const first = lines.at(step.line);
  const fragment = builder.open(first);
  const start = fragment.bytes.length;
  const { bits, budget } = builder;
  const rows = step.rows.map(({ offset, line, code }) => ({
    offset: start + offset,
    line: lines.at(line),
    bits: code ? bits : undefined,
  }));
  if (fragment.rows.length === 0) fragment.rows = rows;
  else append(fragment.rows, rows);
  if (step.bytes.length > 0) {
    budget.chargeLine("bytes", step.bytes.length, first);
    fragment.bytes.push((step.view ??= step.bytes.view()));
  }
  if (step.fixups.length > 0) budget.chargeLine("fields", step.fixups.length, first);
  for (const { line, fixup } of step.fixups) {
    const expr = attached(fixup.expr, symbols, lines.at(line));
    fragment.fixups.push({ ...fixup, offset: start + fixup.offset, expr });
  }
  for (const { name, offset } of step.labels)
    symbols[name]!.definition = { kind: "label", fragment, offset: start + offset };
}
