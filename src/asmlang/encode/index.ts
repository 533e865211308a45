/**
 * encode(): one instruction statement to bytes. The form is found by matching operands against iced's tables; what the tools
 * (nasm, GNU as) choose among several is in match.ts and quirks of each in a place named for it. Never throws on input.
 */
import { constraintError } from "./constraints.ts";
import { emit } from "./emit.ts";
import { ambiguous, noSuchCombination, unknownMnemonic } from "./errors.ts";
import type { Form } from "./forms.ts";
import { applyHints, byDirection, checkHints, suffixHints } from "./hints.ts";
import { candidates, type Query } from "./match.ts";
import { resolveMnemonic } from "./mnemonics.ts";
import type { Pattern } from "./patterns.ts";
import { type Prefixes, parsePrefixes } from "./prefixes.ts";
import { pseudoNamed, spelledOut } from "./pseudo.ts";
import { regInfo } from "./registers.ts";
import { rewrite } from "./rewrite.ts";
import {
  byAddressPrefix,
  bySizePrefix,
  doubledPrefix,
  effectivePrefixes,
  prefixError,
  prefixWarnings,
  withoutSize,
} from "./tools.ts";
import type { Architecture, AsmOperand, EncodeRequest, EncodeResult, Encoding } from "./types.ts";
import { losesBits, valuesFit } from "./values.ts";

/** Is the word an instruction of NASM's? */
export function isNasmMnemonic(mnemonic: string): boolean {
  return (
    pseudoNamed(mnemonic, "nasm") !== undefined ||
    resolveMnemonic({ dialect: "nasm", intelMnemonics: true, mnemonic }).length > 0
  );
}

export { isNasmPrefix } from "./prefixes.ts";
export type * from "./types.ts";

const failed = (message: string, operand: number): EncodeResult => ({ ok: false, message, operand });

interface Done {
  readonly pattern: Pattern;
  readonly encoding: Encoding;
}

type Attempt = Done | { readonly message: string; readonly operand: number };

function attempt(pattern: Pattern, request: EncodeRequest, prefixes: Prefixes): Attempt {
  const { dialect, bits, operands, rounding, hints } = request;
  const bad = prefixError(pattern.form, request, prefixes) ?? constraintError(pattern.form, request);
  if (bad !== undefined) return { message: bad, operand: -1 };
  const result = emit(pattern, {
    dialect,
    bits,
    operands,
    rounding,
    hints,
    prefixes: effectivePrefixes(pattern.form, dialect, prefixes),
  });
  return "bytes" in result ? { pattern, encoding: result } : result;
}

/** The first pattern whose values fit and that can be encoded; else the first that only loses bits of a value. */
function choose(patterns: readonly Pattern[], request: EncodeRequest, prefixes: Prefixes): Attempt | undefined {
  let failure: Attempt | undefined;
  let cut: Pattern | undefined;
  for (const pattern of patterns) {
    const fit = valuesFit(pattern, request.operands, request.dialect);
    if (fit === "cut") cut ??= pattern;
    if (fit !== "yes") continue;
    const result = attempt(pattern, request, prefixes);
    if ("encoding" in result) return shorterVex(result, patterns, request, prefixes);
    failure ??= result;
  }
  if (cut === undefined || failure !== undefined) return failure;
  const warnings = losesBits(cut, request.operands, request.dialect) ? ["value does not fit and is truncated"] : [];
  return warned(attempt(cut, request, prefixes), warnings);
}

/** GNU as takes the store form of a vector move where that saves the longer VEX prefix. */
function shorterVex(first: Done, patterns: readonly Pattern[], request: EncodeRequest, prefixes: Prefixes): Attempt {
  const { form } = first.pattern;
  const { dialect, hints } = request;
  if (dialect !== "gas" || form.encoding !== "vex" || first.encoding.bytes[0] === 0xc5) return first;
  if (hints.includes("vex3")) return first;
  for (const pattern of patterns) {
    const twin =
      pattern.form.encoding === "vex" &&
      pattern.form.vex?.w === form.vex!.w &&
      pattern.form.slots.length === form.slots.length;
    if (pattern === first.pattern || !twin) continue;
    const result = attempt(pattern, request, prefixes);
    if ("encoding" in result && result.encoding.bytes.length < first.encoding.bytes.length) return result;
  }
  return first;
}

function warned(result: Attempt, warnings: readonly string[]): Attempt {
  if (!("encoding" in result) || warnings.length === 0) return result;
  return { ...result, encoding: { ...result.encoding, warnings: [...result.encoding.warnings, ...warnings] } };
}

const branchBytes = ({ form }: Pattern): number => (form.slots[0]?.place === "rel" ? form.slots[0].bytes : 0);

/** The near form of the same branch, for layout to widen to. */
function longForm(
  short: Pattern,
  patterns: readonly Pattern[],
  request: EncodeRequest,
  prefixes: Prefixes,
): Encoding | undefined {
  if (branchBytes(short) !== 1) return undefined;
  const wide = patterns.find((pattern) => branchBytes(pattern) > 1);
  if (wide === undefined) return undefined;
  const result = attempt(wide, request, prefixes);
  return "encoding" in result ? result.encoding : undefined;
}

/** Does GNU as take it for that processor? Branches of any distance, and 32-bit operations without 32-bit registers, it does. */
function isThere(form: Form, architecture: Architecture, operands: readonly AsmOperand[]): boolean {
  if (form.obsolete) return false;
  if (form.slots[0]?.place === "rel" || !architecture.lacks(form.code)) return true;
  const opcode = form.opcode[0]!;
  const plain = form.encoding === "legacy" && form.escape.length === 0 && (opcode < 0xd8 || opcode > 0xdf);
  const wide = operands.some((operand) => operand.kind === "reg" && regInfo(operand.reg)?.class === "r32");
  return plain && form.operandSize === 32 && !wide;
}

function tryQuery(query: Query, request: EncodeRequest, prefixes: Prefixes): EncodeResult | undefined {
  const found = candidates(query, request);
  if (found.patterns.length === 0) return undefined;
  const unsized = found.ambiguous ? withoutSize(request, query, found.patterns, prefixes) : undefined;
  if (found.ambiguous && unsized === undefined) return failed(ambiguous(request), memoryIndex(request.operands));
  const sized = unsized?.patterns ?? (prefixes.operandSize === undefined ? found.natural : found.patterns);
  if (unsized === undefined && doubledPrefix(sized, request, prefixes))
    return failed("same type of prefix used twice", -1);
  const patterns = byDirection(
    byAddressPrefix(bySizePrefix(sized, prefixes, request), prefixes, request),
    request.hints,
  );
  const { architecture } = request;
  const there = architecture ? patterns.filter(({ form }) => isThere(form, architecture, request.operands)) : patterns;
  if (architecture && there.length === 0)
    return failed(`"${request.mnemonic}" is not supported on ${architecture.name}`, -1);
  const chosen = choose(there, request, prefixes);
  if (chosen === undefined) return failed("value does not fit", valueIndex(request.operands));
  if (!("encoding" in chosen)) return failed(chosen.message, chosen.operand);
  const notes = prefixWarnings(chosen.pattern.form, request, prefixes);
  const result = warned(chosen, unsized?.warning === undefined ? notes : [...notes, unsized.warning]);
  const best = (result as typeof chosen).encoding;
  const long = longForm(chosen.pattern, there, request, prefixes);
  if (long !== undefined && /disp(16|32)/.test(request.hints.join())) return { ok: true, best: long };
  return long === undefined ? { ok: true, best } : { ok: true, best, long };
}

const memoryIndex = (operands: readonly AsmOperand[]): number =>
  operands.findIndex((operand) => operand.kind === "mem");
const valueIndex = (operands: readonly AsmOperand[]): number => operands.findIndex((operand) => operand.kind === "imm");

/** The result in terms of the operands as they were written: a statement read as another one may have lost some. */
function asWritten(result: EncodeResult, written: readonly AsmOperand[], read: readonly AsmOperand[]): EncodeResult {
  if (written.length === read.length) return result;
  const place = (i: number): number => {
    const operand = read[i];
    const at = written.findIndex((one) => one === operand || (one.kind === "mem" && operand?.kind === "mem"));
    return at < 0 ? i : at;
  };
  if (!result.ok) return { ...result, operand: place(result.operand) };
  const moved = (encoding: Encoding): Encoding => ({
    ...encoding,
    fixups: encoding.fixups.map((fixup) => ({ ...fixup, operand: place(fixup.operand) })),
  });
  const { best, long } = result;
  return long === undefined ? { ok: true, best: moved(best) } : { ok: true, best: moved(best), long: moved(long) };
}

export function encode(original: EncodeRequest): EncodeResult {
  const badHint = checkHints(original);
  if (badHint !== undefined) return failed(badHint, -1);
  const hinted = suffixHints(original);
  const request = rewrite(spelledOut(hinted.hints.length === 0 ? hinted : applyHints(hinted)));
  const queries = resolveMnemonic(request);
  if (queries.length === 0) return failed(unknownMnemonic(request), -1);
  const prefixes = parsePrefixes(request.prefixes);
  if (typeof prefixes === "string") return failed(prefixes, -1);
  let failure: EncodeResult | undefined;
  for (const query of queries) {
    const result = tryQuery(query, request, prefixes);
    if (result?.ok) return asWritten(result, original.operands, request.operands);
    failure ??= result;
  }
  return asWritten(failure ?? noSuchCombination(request, queries), original.operands, request.operands);
}
