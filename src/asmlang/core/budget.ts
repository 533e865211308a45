/**
 * What one run may take. Whatever makes much of little (macros, repetitions, includes, expressions, layout, filled space) pays
 * here before it does, so that every run ends soon and says what was too much. What stands in a source file once is free: a
 * long source takes its time.
 */
import { FatalError } from "./diagnostics.ts";
import { type Line, type Span, wholeLine } from "./source.ts";

const LIMITS = {
  lines: [1_000_000, "macros, repetitions and includes make more than # lines"],
  statements: [200_000, "macros, repetitions and includes make more than # statements"],
  text: [15_000_000, "macros and repetitions make more than # characters"],
  /** Fields whose values wait for layout: each is kept until then. */
  fields: [1_000_000, "more than # values wait for the addresses of symbols"],
  bytes: [256 * 1024 * 1024, "all sections together are larger than # bytes"],
  /** Parts of expressions evaluated, pieces of sections placed, arguments looked through. */
  steps: [6_000_000, "this takes too long: expressions, macros and layout take more than # steps"],
} as const satisfies Readonly<Record<string, readonly [number, string]>>;

export type Resource = keyof typeof LIMITS;

/** How much of each. */
export type Spent = Readonly<Record<Resource, number>>;

export class Budget {
  readonly #spent: { -readonly [name in Resource]: number } = {
    lines: 0,
    statements: 0,
    text: 0,
    fields: 0,
    bytes: 0,
    steps: 0,
  };
  readonly #files = new Set<string>();

  /** To be asked before it is made; `site` is what asks for it. */
  charge(resource: Resource, amount: number, site: Span): void {
    this.#spent[resource] += amount;
    if (this.#spent[resource] > LIMITS[resource][0]) this.#refuse(resource, site);
  }

  /** The same for what a whole line asks for. */
  chargeLine(resource: Resource, amount: number, line: Line): void {
    this.#spent[resource] += amount;
    if (this.#spent[resource] > LIMITS[resource][0]) this.#refuse(resource, wholeLine(line));
  }

  /** May it be asked for? */
  has(resource: Resource, amount: number): boolean {
    return this.#spent[resource] + amount <= LIMITS[resource][0];
  }

  /** All that has been spent so far. */
  get spent(): Spent {
    return { ...this.#spent };
  }

  /** What has been spent since then, bytes and fields aside: those are paid by whoever makes them. */
  since(before: Spent): Spent {
    const { lines, statements, text, steps } = this.#spent;
    return {
      lines: lines - before.lines,
      statements: statements - before.statements,
      text: text - before.text,
      steps: steps - before.steps,
      fields: 0,
      bytes: 0,
    };
  }

  hasAll({ lines, statements, text, steps }: Spent): boolean {
    return (
      this.has("lines", lines) &&
      this.has("statements", statements) &&
      this.has("text", text) &&
      this.has("steps", steps)
    );
  }

  chargeAll({ lines, statements, text, steps }: Spent, site: Span): void {
    this.charge("lines", lines, site);
    this.charge("statements", statements, site);
    this.charge("text", text, site);
    this.charge("steps", steps, site);
  }

  #refuse(resource: Resource, site: Span): never {
    const [most, message] = LIMITS[resource];
    throw new FatalError(site, message.replace("#", String(most)));
  }

  /** A file that is read again is a repetition: true for the first time. */
  isFresh(uri: string): boolean {
    const fresh = !this.#files.has(uri);
    this.#files.add(uri);
    return fresh;
  }
}
