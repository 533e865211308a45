/** Instruction statements on their way into a section: operands with expressions, and branches that may grow. */
import { encode } from "../encode/index.ts";
import type { AsmOperand, EncodeRequest, Encoding, Value } from "../encode/types.ts";
import type { ObjectBuilder } from "./builder.ts";
import { SourceError } from "./diagnostics.ts";
import { type Expr, evaluate } from "./expr.ts";
import { Fragment, type PendingFixup } from "./fragment.ts";
import type { Detaching, KnownInstruction } from "./known-statement.ts";
import type { Layout } from "./layout.ts";
import type { Line, Span } from "./source.ts";
import type { AsmSymbol, SectionBuilder } from "./symbols.ts";
import type { SectionWriter } from "./writer.ts";

/** A value with the expression that it comes from. */
export class Symbolic implements Value {
  known: bigint | undefined;
  readonly expr: Expr;
  /** What `@` or `wrt` asks for. */
  readonly modifier: string | undefined;

  constructor(expr: Expr, known: bigint | undefined, modifier?: string) {
    this.expr = expr;
    this.known = modifier === undefined ? known : undefined;
    this.modifier = modifier;
  }
}

/** An operand and where it stands. */
export interface PlacedOperand {
  readonly operand: AsmOperand;
  readonly span: Span;
}

export interface Statement {
  readonly request: EncodeRequest;
  /** Spans of the operands in the request's order, and of the mnemonic. */
  readonly spans: readonly Span[];
  readonly mnemonic: Span;
  /** May a linker rewrite the instruction? The dialect says. */
  readonly relaxable?: ((bytes: readonly number[]) => PendingFixup["relaxable"]) | undefined;
}

/** All values in an operand. */
export function valuesOf(operand: AsmOperand): Symbolic[] {
  switch (operand.kind) {
    case "imm":
    case "target":
      return [operand.value as Symbolic];
    case "mem":
      return operand.displacement ? [operand.displacement as Symbolic] : [];
    case "far":
      return [operand.selector as Symbolic, operand.offset as Symbolic];
    default:
      return [];
  }
}

/** The operand with other values in it. */
export function mapValues(operand: AsmOperand, map: (value: Symbolic) => Symbolic): AsmOperand {
  switch (operand.kind) {
    case "imm":
    case "target":
      return { ...operand, value: map(operand.value as Symbolic) };
    case "mem":
      return operand.displacement ? { ...operand, displacement: map(operand.displacement as Symbolic) } : operand;
    case "far":
      return {
        ...operand,
        selector: map(operand.selector as Symbolic),
        offset: map(operand.offset as Symbolic),
      };
    default:
      return operand;
  }
}

/** What requests came to, by all that counts in them: of a value only whether it is known, and which it is. */
const ENCODINGS = new Map<string, ReturnType<typeof encode>>();
const MAX_ENCODINGS = 20_000;

function keyOf({
  dialect,
  intelMnemonics,
  uncrossed,
  bits,
  mnemonic,
  operands,
  prefixes,
  hints,
  rounding,
}: EncodeRequest): string {
  let key = `${dialect} ${intelMnemonics}${uncrossed ? "!" : ""} ${bits} ${mnemonic}`;
  if (prefixes.length + hints.length > 0) key += ` ${prefixes.join()};${hints.join()}`;
  if (rounding) key += ` ${rounding.mode} ${rounding.after}`;
  for (const operand of operands)
    key += operand.kind === "reg" && !operand.mask ? ` ${operand.reg}` : ` ${operand.kind}${keyOfOperand(operand)}`;
  return key;
}

function keyOfOperand(operand: Readonly<Record<string, unknown>>): string {
  let key = "";
  for (const name in operand) {
    const part = operand[name];
    if (name === "kind" || part === undefined) continue;
    if (typeof part !== "object" || part === null) key += ` ${name}${part}`;
    else if ("known" in part) key += ` ${name}=${part.known}`;
    else key += ` ${name}(${keyOfOperand(part as typeof operand)})`;
  }
  return key;
}

function encoded(request: EncodeRequest): ReturnType<typeof encode> {
  const key = keyOf(request);
  const known = ENCODINGS.get(key);
  if (known) return known;
  const result = encode(request);
  if (ENCODINGS.size >= MAX_ENCODINGS) ENCODINGS.clear();
  ENCODINGS.set(key, result);
  return result;
}

/** The encodings of a statement; an error names the guilty operand. */
export function encodeStatement(statement: Statement): { best: Encoding; long?: Encoding } {
  const result = encoded(statement.request);
  if (result.ok) return result;
  throw new SourceError(statement.spans[result.operand] ?? statement.mnemonic, result.message);
}

export function pendingFixups(encoding: Encoding, statement: Statement, relaxed = false): PendingFixup[] {
  return encoding.fixups.map((fixup) => {
    const operand = statement.request.operands[fixup.operand]!;
    const { expr, modifier } = partOf(operand, fixup.part);
    return {
      offset: fixup.offset,
      size: fixup.size,
      kind: fixup.kind,
      signed: fixup.signed,
      addend: fixup.addend,
      expr,
      code: true,
      relaxed,
      modifier,
      branch: operand.kind === "target" && statement.request.bits === 64,
      memory: operand.kind === "mem",
      relaxable: modifier === undefined ? undefined : statement.relaxable?.(encoding.bytes),
      inInstruction: fixup.offset,
    };
  });
}

function partOf(operand: AsmOperand, part: string): Symbolic {
  if (operand.kind === "far") return (part === "selector" ? operand.selector : operand.offset) as Symbolic;
  if (operand.kind === "mem") return operand.displacement as Symbolic;
  return (operand as { value: Value }).value as Symbolic;
}

/** A branch that starts short and widens when its target is out of reach. */
export class BranchFragment extends Fragment {
  readonly statement: Statement;
  readonly best: Encoding;
  readonly long: Encoding;
  readonly keeps: (symbol: AsmSymbol) => boolean;
  wide = false;

  constructor(
    section: SectionBuilder,
    line: Line,
    statement: Statement,
    encodings: { best: Encoding; long: Encoding },
    keeps: (symbol: AsmSymbol) => boolean,
  ) {
    super(section, line);
    this.statement = statement;
    this.best = encodings.best;
    this.long = encodings.long;
    this.keeps = keeps;
  }

  override detach(detaching: Detaching): KnownInstruction {
    const { best, long, keeps } = this;
    return {
      statement: detaching.statement(this.statement),
      make: ({ section }, line, statement) => new BranchFragment(section, line, statement, { best, long }, keeps),
    };
  }

  measure(layout: Layout): number {
    // The first pass only places everything at its smallest; what grows is decided with all labels known.
    const decides = layout.pass > 0 && !this.wide;
    if (
      decides &&
      !branchReaches(this, this.best, this.statement, layout, this.keeps, (symbol) => layout.forecast(symbol, this))
    )
      this.wide = true;
    return (this.wide ? this.long : this.best).bytes.length;
  }

  write(out: SectionWriter): void {
    const encoding = this.wide ? this.long : this.best;
    out.put(this, 0, encoding.bytes);
    for (const fixup of pendingFixups(encoding, this.statement, true)) out.fixup(this, fixup);
  }
}

/** Does the short form reach, as far as this pass can tell? What is not placed yet is taken to be near. */
export function branchReaches(
  fragment: Fragment,
  encoding: Encoding,
  statement: Statement,
  layout: Layout,
  keeps: (symbol: AsmSymbol) => boolean,
  offsetOf: (symbol: AsmSymbol) => number | undefined,
): boolean {
  const fixup = encoding.fixups.find((one) => one.kind === "pcrel");
  if (!fixup) return true;
  const { expr } = partOf(statement.request.operands[fixup.operand]!, fixup.part);
  const value = evaluate(expr, layout.context(fragment));
  if (!value) return true;
  const [term] = value.terms;
  if (!term || value.terms.length > 1 || term.sign < 0 || term.symbol.section !== fragment.section) return false;
  if (keeps(term.symbol)) return false;
  const target = offsetOf(term.symbol);
  if (target === undefined) return true;
  const distance = value.constant + BigInt(target + fixup.addend - fragment.offset - fixup.offset);
  return BigInt.asIntN(fixup.size * 8, distance) === distance;
}

/** Warnings of the encoder, at the statement. */
export function reportWarnings(encoding: Encoding, statement: Statement, builder: ObjectBuilder): void {
  for (const warning of encoding.warnings)
    builder.reporter.warning(statement.spans.at(-1) ?? statement.mnemonic, warning);
}
