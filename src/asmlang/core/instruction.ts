/** Instruction statements on their way into a section: operands with expressions, and branches that may grow. */
import type { AsmOperand, EncodeRequest, EncodeResult, Encoding, Value } from "../encode/types.ts";
import type { ObjectBuilder } from "./builder.ts";
import { SourceError } from "./diagnostics.ts";
import { encoded } from "./encodings.ts";
import { type Expr, evaluate } from "./expr.ts";
import { Fragment, type PendingFixup } from "./fragment.ts";
import type { Detaching, KnownInstruction } from "./known-statement.ts";
import type { Layout } from "./layout.ts";
import type { Line, Span } from "./source.ts";
import { type AsmSymbol, isPlace, type SectionBuilder } from "./symbols.ts";
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
  /** Others may share it: what is known of its values in a layout pass holds until the next statement is encoded. */
  readonly request: EncodeRequest;
  /** The request's expressions as they are meant here, if they are not. */
  bind?(expr: Expr): Expr;
  /** Spans of the operands in the request's order, and of the mnemonic. */
  readonly spans: readonly Span[];
  readonly mnemonic: Span;
  readonly memo?: EncodingMemo;
  /** May a linker rewrite the instruction? The dialect says. */
  readonly relaxable?: ((bytes: readonly number[]) => PendingFixup["relaxable"]) | undefined;
}

/** An expression of the statement's request, as it is meant. */
export const bound = (statement: Statement, expr: Expr): Expr => statement.bind?.(expr) ?? expr;

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

function onlyValue(operands: readonly AsmOperand[]): Symbolic | undefined {
  let only: Symbolic | undefined;
  for (const operand of operands) {
    if (operand.kind === "reg" || (operand.kind === "mem" && !operand.displacement)) continue;
    if (only || operand.kind === "far") return undefined;
    only = (operand.kind === "mem" ? operand.displacement : operand.value) as Symbolic;
  }
  return only;
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

/** What a statement that is known from run to run came to, by the value in it. */
export type EncodingMemo = Map<bigint | undefined, EncodeResult>;
const MAX_MEMO = 8;

function remembered({ request }: Statement, memo: EncodingMemo): EncodeResult {
  const value = onlyValue(request.operands);
  if (!value) return encoded(request);
  const { known } = value;
  let result = memo.get(known);
  if (!result) {
    if (memo.size >= MAX_MEMO) memo.clear();
    memo.set(known, (result = encoded(request)));
  }
  return result;
}

/** The encodings of a statement; an error names the guilty operand. */
export function encodeStatement(statement: Statement): { best: Encoding; long?: Encoding } {
  const result = statement.memo ? remembered(statement, statement.memo) : encoded(statement.request);
  if (result.ok) return result;
  throw new SourceError(statement.spans[result.operand] ?? statement.mnemonic, result.message);
}

export function pendingFixup(
  fixup: Encoding["fixups"][number],
  { bytes }: Encoding,
  statement: Statement,
  relaxed = false,
): PendingFixup {
  const operand = statement.request.operands[fixup.operand]!;
  const { expr, modifier } = partOf(operand, fixup.part);
  return {
    offset: fixup.offset,
    size: fixup.size,
    kind: fixup.kind,
    signed: fixup.signed,
    addend: fixup.addend,
    expr: bound(statement, expr),
    code: true,
    relaxed,
    modifier,
    branch: operand.kind === "target" && statement.request.bits === 64,
    memory: operand.kind === "mem",
    relaxable: modifier === undefined ? undefined : statement.relaxable?.(bytes),
    inInstruction: fixup.offset,
  };
}

export const pendingFixups = (encoding: Encoding, statement: Statement): PendingFixup[] =>
  encoding.fixups.map((fixup) => pendingFixup(fixup, encoding, statement));

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
    for (const fixup of encoding.fixups) out.fixup(this, pendingFixup(fixup, encoding, this.statement, true));
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
  const value = targetOf(bound(statement, expr), layout);
  if (!value) return true;
  const { symbol, constant } = value;
  if (symbol?.section !== fragment.section || keeps(symbol)) return false;
  const target = offsetOf(symbol);
  if (target === undefined) return true;
  const distance = target + fixup.addend - fragment.offset - fixup.offset;
  if (constant === 0n) return Math.abs(distance + 0.5) < 2 ** (fixup.size * 8 - 1);
  const whole = constant + BigInt(distance);
  return BigInt.asIntN(fixup.size * 8, whole) === whole;
}

/** One symbol and a number; undefined if it is not known yet. */
function targetOf(expr: Expr, layout: Layout): { symbol: AsmSymbol | undefined; constant: bigint } | undefined {
  if (expr.op === "symbol" && isPlace(expr.symbol)) return { symbol: expr.symbol, constant: 0n };
  const value = evaluate(expr, layout.context());
  const [term, ...more] = value?.terms ?? [];
  return value && { symbol: more.length > 0 || term?.sign !== 1 ? undefined : term.symbol, constant: value.constant };
}

/** Warnings of the encoder, at the statement. */
export function reportWarnings(encoding: Encoding, statement: Statement, builder: ObjectBuilder): void {
  for (const warning of encoding.warnings)
    builder.reporter.warning(statement.spans.at(-1) ?? statement.mnemonic, warning);
}
