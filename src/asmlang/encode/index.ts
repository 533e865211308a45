/**
 * encode(): one instruction statement to bytes. The form is found by matching operands against iced's tables; what the tools
 * (nasm, GNU as) choose among several is in match.ts and quirks of each in a place named for it. Never throws on input.
 */
import { emit } from "./emit.ts";
import { ambiguous, noSuchCombination, unknownMnemonic } from "./errors.ts";
import { type Candidates, candidates, type Query } from "./match.ts";
import { resolveMnemonic } from "./mnemonics.ts";
import type { Pattern } from "./patterns.ts";
import { type Prefixes, parsePrefixes } from "./prefixes.ts";
import { defaultSized, rewrite } from "./tools.ts";
import type { AsmOperand, EncodeRequest, EncodeResult, Encoding } from "./types.ts";
import { valuesFit } from "./values.ts";

export { isPrefix } from "./prefixes.ts";
export type * from "./types.ts";

const failed = (message: string, operand: number): EncodeResult => ({ ok: false, message, operand });

type Attempt =
  | { readonly pattern: Pattern; readonly encoding: Encoding }
  | { readonly message: string; readonly operand: number };

function attempt(pattern: Pattern, request: EncodeRequest, prefixes: Prefixes): Attempt {
  const { dialect, bits, operands } = request;
  const result = emit(pattern, { dialect, bits, operands, prefixes });
  return "bytes" in result ? { pattern, encoding: result } : result;
}

/** The first pattern whose values fit and that can be encoded; else, if a value only is too wide, the last one, cut off. */
function choose(found: Candidates, request: EncodeRequest, prefixes: Prefixes): Attempt | undefined {
  let failure: Attempt | undefined;
  let cut: Pattern | undefined;
  for (const pattern of found.patterns) {
    const fit = valuesFit(pattern, request.operands);
    if (fit === "cut") cut ??= pattern;
    if (fit !== "yes") continue;
    const result = attempt(pattern, request, prefixes);
    if ("encoding" in result) return result;
    failure ??= result;
  }
  if (cut === undefined || failure !== undefined) return failure;
  const result = attempt(cut, request, prefixes);
  if (!("encoding" in result)) return result;
  return {
    ...result,
    encoding: { ...result.encoding, warnings: [...result.encoding.warnings, "value does not fit and is truncated"] },
  };
}

/** The near form of the same branch, for layout to widen to. */
function longForm(short: Pattern, found: Candidates, request: EncodeRequest, prefixes: Prefixes): Encoding | undefined {
  const slot = short.form.slots[0];
  if (slot?.place !== "rel" || slot.bytes !== 1) return undefined;
  const wide = found.patterns.find(({ form }) => form.slots[0]?.place === "rel" && form.slots[0].bytes > 1);
  if (wide === undefined) return undefined;
  const result = attempt(wide, request, prefixes);
  return "encoding" in result ? result.encoding : undefined;
}

function success(
  chosen: Extract<Attempt, { encoding: Encoding }>,
  found: Candidates,
  request: EncodeRequest,
  prefixes: Prefixes,
): EncodeResult {
  const long = longForm(chosen.pattern, found, request, prefixes);
  return long === undefined ? { ok: true, best: chosen.encoding } : { ok: true, best: chosen.encoding, long };
}

function tryQuery(query: Query, request: EncodeRequest, prefixes: Prefixes): EncodeResult | undefined {
  const found = candidates(query, request);
  if (found.patterns.length === 0) return undefined;
  if (found.ambiguous && !defaultSized(request, query))
    return failed(ambiguous(request), memoryIndex(request.operands));
  const chosen = choose(found, request, prefixes);
  if (chosen === undefined) return undefined;
  return "encoding" in chosen ? success(chosen, found, request, prefixes) : failed(chosen.message, chosen.operand);
}

const memoryIndex = (operands: readonly AsmOperand[]): number =>
  operands.findIndex((operand) => operand.kind === "mem");

export function encode(original: EncodeRequest): EncodeResult {
  const request = rewrite(original);
  const queries = resolveMnemonic(request);
  if (queries.length === 0) return failed(unknownMnemonic(request), -1);
  const prefixes = parsePrefixes(request.prefixes);
  if (typeof prefixes === "string") return failed(prefixes, -1);
  let failure: EncodeResult | undefined;
  for (const query of queries) {
    const result = tryQuery(query, request, prefixes);
    if (result?.ok) return result;
    failure ??= result;
  }
  return failure ?? noSuchCombination(request, queries);
}
