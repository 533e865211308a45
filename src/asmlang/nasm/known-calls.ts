/**
 * Uses of macros that have come to statements and nothing else: no labels, no directives, no other macros. Another run does the
 * statements again, as long as the macro and all that its body's words mean are the same; their lines are those of the macro as
 * it stands in that run.
 */
import type { Spent } from "../core/budget.ts";
import { holds, type KnownStatement, type NameScope, replay } from "../core/known-statement.ts";
import type { Call, Line, Span } from "../core/source.ts";
import type { NasmAssembler } from "./assembler.ts";
import type { KnownWords } from "./known-words.ts";
import { contentOf, type Expansion, type TokenLine } from "./multi-line.ts";

export interface KnownCall {
  /** The macro's name in lower case, and all that it says. */
  readonly key: string;
  readonly content: string;
  readonly message: string;
  readonly start: number;
  readonly end: number;
  readonly statements: readonly { readonly index: number; readonly statement: KnownStatement }[];
  readonly words: readonly KnownWords[];
  readonly spent: Spent;
}

/** Notes what a use comes to, line by line. */
export class CallMaker {
  readonly line: Line;
  readonly #expansion: Expansion;
  readonly #before: Spent;
  readonly #statements: { readonly index: number; readonly statement: KnownStatement }[] = [];
  readonly #words: KnownWords[] = [];
  /** Lines of the body that have been read. */
  #lines = 0;

  constructor(line: Line, expansion: Expansion, before: Spent) {
    this.line = line;
    this.#expansion = expansion;
    this.#before = before;
  }

  read(): void {
    this.#lines++;
  }

  add(body: TokenLine, statement: KnownStatement | undefined, words: KnownWords | undefined): void {
    // What is local to this use has another name in the next one.
    if (!statement || !words || statement.names.some(({ name }) => name.startsWith("..@"))) return;
    this.#statements.push({ index: this.#expansion.macro.body.indexOf(body), statement });
    this.#words.push(words);
  }

  /** What it came to; undefined if that was more than statements. */
  made(spent: (before: Spent) => Spent): KnownCall | undefined {
    const { macro, call, label } = this.#expansion;
    const { message, site } = call;
    const all = this.#statements.length === this.#lines && this.#statements.every(({ index }) => index >= 0);
    if (!all || label.length > 0 || site.line !== this.line) return undefined;
    return {
      key: macro.name.toLowerCase(),
      content: contentOf(macro),
      message,
      start: site.start,
      end: site.end,
      statements: this.#statements,
      words: this.#words,
      spent: spent(this.#before),
    };
  }
}

/** May it be done again? */
export function callHolds(call: KnownCall, { preprocessor, builder }: NasmAssembler, scope: NameScope): boolean {
  const macro = preprocessor.onlyMacro(call.key);
  if (!macro || macro.busy > 0 || contentOf(macro) !== call.content || !builder.budget.hasAll(call.spent)) return false;
  return call.statements.every(({ statement }) => holds(statement, scope));
}

export function replayCall(
  call: KnownCall,
  { preprocessor, builder }: NasmAssembler,
  line: Line,
  scope: NameScope,
): void {
  const { message, start, end } = call;
  const site: Span = { line, start, end };
  const made: Call = { message, site, hidesBody: true };
  const { body } = preprocessor.onlyMacro(call.key)!;
  preprocessor.takeIds(1);
  builder.budget.chargeAll(call.spent, site);
  for (const { index, statement } of call.statements)
    replay(statement, builder, { ...body[index]!.line, call: made }, scope);
}
