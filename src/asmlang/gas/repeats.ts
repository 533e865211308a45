/** Directives that collect lines and give them back: `.macro`, `.rept`, `.irp`, `.irpc`. */
import { SourceError } from "../core/diagnostics.ts";
import { type Call, type Line, type Span, wholeLine } from "../core/source.ts";
import { substituteWords, takeLocals } from "./alternate.ts";
import type { GasAssembler } from "./assembler.ts";
import { isCondition } from "./conditions.ts";
import { Cursor } from "./cursor.ts";
import { DIRECTIVES, type Directive } from "./directives.ts";
import {
  bindArguments,
  type EvaluateArgument,
  type Macro,
  readParameters,
  splitArguments,
  substitute,
} from "./macros.ts";

/** First word of a statement, after labels. */
function firstWord(line: Line): string {
  const cursor = new Cursor(line);
  for (;;) {
    const word = (cursor.skipSpace().match(/[\w.$]+/y) ?? "").toLowerCase();
    if (word === "" || cursor.skipSpace().peek() !== ":") return word;
    cursor.at++;
  }
}

/** Lines up to the matching end. */
function collect(
  assembler: GasAssembler,
  opens: readonly string[],
  ends: readonly string[],
  span: Span,
  what: string,
): Line[] {
  const lines: Line[] = [];
  let depth = 1;
  for (;;) {
    const line = assembler.input.next();
    if (!line) throw new SourceError(span, `this '${what}' has no '${ends[0]}'`);
    const word = firstWord(line);
    if (opens.includes(word)) depth++;
    if (ends.includes(word) && --depth === 0) return lines;
    lines.push(line);
  }
}

const isDirective = (name: string): boolean => DIRECTIVES.has(name) || isCondition(name);

const REPEAT_OPENS = [".rept", ".rep", ".irp", ".irpc", ".irep", ".irepc"];
const REPEAT_ENDS = [".endr"];

const macro: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("the name of the macro");
  cursor.eat(",");
  let parameters: Macro["parameters"] = [];
  const ok = assembler.reporter.guard(() => (parameters = readParameters(cursor, evaluator(assembler))));
  const body = collect(assembler, [".macro"], [".endm", ".endmacro"], span, ".macro");
  if (!ok) cursor.rest();
  if (name.startsWith(".") && isDirective(name.toLowerCase())) {
    assembler.reporter.warning(span, `'${name}' stays the directive that it is`);
    return;
  }
  if (assembler.macros.has(name.toLowerCase())) throw new SourceError(span, `macro '${name}' is defined already`);
  assembler.macros.set(name.toLowerCase(), { name, parameters, body, span });
};

/** Puts a macro's body, with its arguments, before the rest of the input. */
export function callMacro(assembler: GasAssembler, found: Macro, cursor: Cursor, site: Span): void {
  const { alternate } = assembler;
  const bound = bindArguments(found, cursor, evaluator(assembler));
  cursor.rest();
  const call: Call = { message: `in this use of macro '${found.name}'`, site, hidesBody: true };
  assembler.budget.charge("lines", found.body.length + 1, site);
  const count = assembler.expansions++;
  const fresh = () => `.LL${(++assembler.alternateLabels).toString(16).padStart(4, "0")}`;
  const { body, values } = alternate ? takeLocals(found.body, bound, fresh) : { body: found.body, values: bound };
  const put = alternate ? substituteWords : substitute;
  assembler.input.push(
    body.map((line) => put(line, { values, count, call, budget: assembler.budget })),
    site,
    "macro",
    assembler.conditions.depth,
  );
}

const evaluator = (assembler: GasAssembler): EvaluateArgument =>
  assembler.alternate ? (cursor) => String(assembler.constant(cursor, "the argument")) : undefined;

/** Without `valuesOf` the lines are repeated as they are. */
function repeat(
  assembler: GasAssembler,
  body: readonly Line[],
  rounds: number,
  valuesOf: ((round: number) => ReadonlyMap<string, string>) | undefined,
  site: Span,
): void {
  const { alternate, budget } = assembler;
  const call: Call = { message: "in this repetition", site, hidesBody: false };
  const put = alternate ? substituteWords : substitute;
  const lines: Line[] = [];
  budget.charge("lines", rounds * (body.length + 1), site);
  for (let round = 0; round < rounds; round++) {
    const values = valuesOf?.(round);
    const count = assembler.expansions;
    for (const line of body) lines.push(values ? put(line, { values, count, call, budget }) : { ...line, call });
  }
  assembler.input.push(lines, site, "macro", assembler.conditions.depth);
}

const rept: Directive = (assembler, cursor) => {
  const span = wholeLine(cursor.line);
  let count = 0n;
  assembler.reporter.guard(() => (count = assembler.constant(cursor, "the number of repetitions")));
  const body = collect(assembler, REPEAT_OPENS, REPEAT_ENDS, span, ".rept");
  if (count < 0n) throw new SourceError(span, `a repetition cannot be done ${count} times`);
  repeat(assembler, body, Number(count), undefined, span);
};

/** The characters but for quotes, and for spaces outside them. */
function charactersOf(text: string): string[] {
  let quoted = false;
  return [...text].filter((character) => {
    if (character === '"') quoted = !quoted;
    return character !== '"' && (quoted || !/\s/.test(character));
  });
}

const irp =
  (characters: boolean): Directive =>
  (assembler, cursor, directive) => {
    const span = wholeLine(cursor.line);
    const { name } = cursor.name("a parameter name");
    cursor.eat(",");
    const values = characters
      ? charactersOf(cursor.rest())
      : splitArguments(cursor, evaluator(assembler), false).map((argument) => argument.text);
    const body = collect(assembler, REPEAT_OPENS, REPEAT_ENDS, span, directive);
    const valuesOf = (round: number) => new Map([[name, values[round] ?? ""]]);
    repeat(assembler, body, Math.max(1, values.length), valuesOf, span);
  };

const without =
  (open: string): Directive =>
  (assembler, cursor, name) => {
    cursor.rest();
    assembler.reporter.warning(wholeLine(cursor.line), `'${name}' without '${open}'`);
  };

const exit: Directive = (assembler, cursor) => {
  const conditions = assembler.input.leaveMacro();
  if (conditions === undefined)
    assembler.reporter.warning(wholeLine(cursor.line), "'.exitm' outside a macro is ignored");
  else assembler.conditions.unwind(conditions);
};

export const REPEATS: Readonly<Record<string, Directive>> = {
  ".macro": macro,
  ".endm": without(".macro"),
  ".endmacro": without(".macro"),
  ".rept": rept,
  ".rep": rept,
  ".irp": irp(false),
  ".irpc": irp(true),
  ".endr": without(".rept"),
  ".irep": irp(false),
  ".irepc": irp(true),
  ".exitm": exit,
  ".mexit": exit,
  ".purgem": (assembler, cursor) => {
    do {
      const { name, span } = cursor.name("the name of a macro");
      if (!assembler.macros.delete(name.toLowerCase())) assembler.reporter.warning(span, `there is no macro '${name}'`);
    } while (cursor.eat(","));
  },
};
