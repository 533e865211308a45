/** `%if` and its family. */
import { SourceError } from "../core/diagnostics.ts";
import { lookUp } from "../core/look-up.ts";
import type { Span } from "../core/source.ts";
import { PACKAGES } from "./pp-packages.ts";
import type { Preprocessor } from "./preprocessor.ts";
import { isSpace, parseInteger, stringBytes, type Token, textOf, trim } from "./tokens.ts";

interface Level {
  active: boolean;
  taken: boolean;
  readonly outer: boolean;
  sawElse: boolean;
  readonly span: Span;
}

type Test = (preprocessor: Preprocessor, tokens: readonly Token[], span: Span) => boolean;

const single =
  (test: (token: Token) => boolean): Test =>
  (preprocessor, tokens) => {
    const [first] = trim(preprocessor.expand(tokens));
    return first !== undefined && test(first);
  };

/** Two texts with a comma between them are the same, blanks aside; but a blank before the comma counts. */
function same(preprocessor: Preprocessor, tokens: readonly Token[], span: Span, fold: boolean): boolean {
  const all = trim(preprocessor.expand(tokens));
  const comma = all.findIndex((token) => token.kind === "op" && token.text === ",");
  if (comma < 0) throw new SourceError(span, "expected two texts with a comma between them");
  // Two empty texts are not the same either.
  if (isSpace(all[comma - 1]) || all.length === 1) return false;
  const plain = (part: readonly Token[]) =>
    part
      .filter((token) => token.kind !== "space")
      .map((token) => (token.kind === "string" ? `"${new TextDecoder().decode(stringBytes(token.text))}"` : token.text))
      .join(" ");
  const [a, b] = [plain(all.slice(0, comma)), plain(all.slice(comma + 1))];
  return fold ? a.toLowerCase() === b.toLowerCase() : a === b;
}

const TESTS: Readonly<Record<string, Test>> = {
  "": (preprocessor, tokens, span) => preprocessor.evaluate(tokens, span) !== 0n,
  def: (preprocessor, tokens) =>
    names(tokens).some((name) => preprocessor.macros.isDefined(preprocessor.contexts.nameOf(name))),
  macro: (preprocessor, tokens, span) => preprocessor.hasMacro(tokens, span),
  ctx: (preprocessor, tokens) => names(tokens).some((name) => preprocessor.contexts.isTop(name.text)),
  idn: (preprocessor, tokens, span) => same(preprocessor, tokens, span, false),
  idni: (preprocessor, tokens, span) => same(preprocessor, tokens, span, true),
  id: single((token) => token.kind === "id" || /^%%|^%\$/.test(token.text)),
  num: (preprocessor, tokens) => isNumber(trim(preprocessor.expand(tokens))),
  str: single((token) => token.kind === "string"),
  token: (preprocessor, tokens) => trim(preprocessor.expand(tokens)).length === 1,
  empty: (preprocessor, tokens) => trim(preprocessor.expand(tokens)).length === 0,
  env: () => false,
  defalias: (preprocessor, tokens) => names(tokens).some(({ text }) => preprocessor.macros.aliasOf(text) !== undefined),
  usable: (_, tokens) => Object.hasOwn(PACKAGES, packageName(tokens)),
  using: (preprocessor, tokens) => preprocessor.packages.has(packageName(tokens)),
};

export const packageName = (tokens: readonly Token[]): string =>
  textOf(trim(tokens)).replace(/['"]/g, "").toLowerCase();

/** The test of `%if` with this ending. */
export const testOf = (kind: string): Test | undefined => lookUp(TESTS, kind);

const names = (tokens: readonly Token[]): Token[] =>
  tokens.filter((token) => token.kind === "id" || token.kind === "pp");

/** Only the first token counts, signs before it aside. */
function isNumber(tokens: readonly Token[]): boolean {
  const first = tokens.find((token) => token.kind !== "space" && token.text !== "-" && token.text !== "+");
  return first?.kind === "number" && parseInteger(first.text) !== undefined;
}

export class NasmConditions {
  readonly #levels: Level[] = [];

  get active(): boolean {
    return this.#levels.at(-1)?.active ?? true;
  }

  get depth(): number {
    return this.#levels.length;
  }

  /** `%exitrep` and `%exitmacro` leave the conditions inside. */
  unwind(depth: number): void {
    this.#levels.length = Math.min(this.#levels.length, depth);
  }

  /** Handles a conditional directive (lower case, with its %); false if it is none. */
  handle(name: string, tokens: readonly Token[], span: Span, preprocessor: Preprocessor): boolean {
    if (name === "%else") this.#else(span, preprocessor);
    else if (name === "%endif") {
      if (!this.#levels.pop()) throw new SourceError(span, "'%endif' without '%if'");
    } else {
      const match = /^%(el)?if(n?)(\w*)$/.exec(name);
      const test = match && findTest(match[2]! + match[3]!);
      if (!match || !test) return false;
      if (match[1]) this.#elif(name, test, tokens, span, preprocessor);
      else this.#open(test, tokens, span, preprocessor);
    }
    return true;
  }

  #open(
    test: { test: Test; negated: boolean },
    tokens: readonly Token[],
    span: Span,
    preprocessor: Preprocessor,
  ): void {
    const level: Level = { active: false, taken: true, outer: this.active, sawElse: false, span };
    this.#levels.push(level);
    if (!level.outer) return;
    level.active = test.test(preprocessor, tokens, span) !== test.negated;
    level.taken = level.active;
  }

  /** After `%else` there is nothing more to choose: what follows another one is left out. */
  #top(name: string, span: Span, preprocessor: Preprocessor): Level {
    const top = this.#levels.at(-1);
    if (!top) throw new SourceError(span, `'${name}' without '%if'`);
    if (top.sawElse && top.outer)
      preprocessor.reporter.warning(span, `'${name}' after '%else': what follows is left out`);
    if (top.sawElse) top.taken = true;
    return top;
  }

  #else(span: Span, preprocessor: Preprocessor): void {
    const top = this.#top("%else", span, preprocessor);
    top.sawElse = true;
    top.active = top.outer && !top.taken;
    top.taken = true;
  }

  #elif(
    name: string,
    test: { test: Test; negated: boolean },
    tokens: readonly Token[],
    span: Span,
    preprocessor: Preprocessor,
  ): void {
    const top = this.#top(name, span, preprocessor);
    top.active = false;
    if (!top.outer || top.taken) return;
    top.active = test.test(preprocessor, tokens, span) !== test.negated;
    top.taken = top.active;
  }

  unclosed(): Span | undefined {
    return this.#levels.at(-1)?.span;
  }
}

/** `num` is a test of its own, not `n` + `um`: whole names first. */
function findTest(suffix: string): { test: Test; negated: boolean } | undefined {
  if (Object.hasOwn(TESTS, suffix)) return { test: TESTS[suffix]!, negated: false };
  const plain = suffix.replace(/^n/, "");
  return suffix.startsWith("n") && Object.hasOwn(TESTS, plain) ? { test: TESTS[plain]!, negated: true } : undefined;
}
