/** `%stacksize`, `%arg` and `%local`: names for what stands around the frame pointer. */
import { SourceError } from "../core/diagnostics.ts";
import { lookUp } from "../core/look-up.ts";
import type { Span } from "../core/source.ts";
import type { PpDirective } from "./pp-directives.ts";
import type { Preprocessor } from "./preprocessor.ts";
import { splitCommas, type Token, textOf, tokensFor } from "./tokens.ts";

export interface StackModel {
  /** Bytes that everything is rounded up to. */
  readonly unit: number;
  readonly pointer: string;
  /** Offset of the next argument, and bytes of locals so far. */
  argument: number;
  local: number;
}

const MODELS: Readonly<Record<string, readonly [number, string, number]>> = {
  flat: [4, "ebp", 8],
  flat64: [8, "rbp", 16],
  large: [2, "bp", 4],
  small: [2, "bp", 6],
};
const SIZES: Readonly<Record<string, number>> = {
  byte: 1,
  word: 2,
  dword: 4,
  qword: 8,
  tword: 10,
  oword: 16,
  yword: 32,
};

export function stackModel(name: string): StackModel | undefined {
  const model = lookUp(MODELS, name);
  return model && { unit: model[0], pointer: model[1], argument: model[2], local: 0 };
}

/** `name:size` items. */
function items(tokens: readonly Token[], unit: number, span: Span, what: string): { name: string; size: number }[] {
  return splitCommas(tokens).map((part) => {
    const match = /^([\w.?@$#~]+)\s*:\s*(\w+)$/.exec(textOf(part));
    const size = match ? lookUp(SIZES, match[2]!.toLowerCase()) : undefined;
    if (!match || size === undefined) throw new SourceError(part[0] ?? span, `'${what}' takes NAME:SIZE, ...`);
    return { name: match[1]!, size: Math.ceil(size / unit) * unit };
  });
}

function defineAt(preprocessor: Preprocessor, name: string, offset: number, span: Span): void {
  const { pointer } = preprocessor.stack;
  const text = `(${pointer}${offset < 0 ? "" : "+"}${offset})`;
  preprocessor.macros.define({ name, parameters: undefined, body: tokensFor(text, span), ignoreCase: false });
}

export const stackSize: PpDirective = (preprocessor, tokens, span) => {
  const name = textOf(tokens).trim().toLowerCase();
  const model = stackModel(name);
  if (!model) throw new SourceError(span, "'%stacksize' takes 'flat', 'flat64', 'large' or 'small'");
  preprocessor.stack = model;
};

export const argument: PpDirective = (preprocessor, tokens, span) => {
  const { stack } = preprocessor;
  for (const { name, size } of items(tokens, stack.unit, span, "%arg")) {
    defineAt(preprocessor, name, stack.argument, span);
    stack.argument += size;
  }
};

/** Each local also adds to `%$localsize`. */
export const local: PpDirective = (preprocessor, tokens, span) => {
  const { stack } = preprocessor;
  for (const { name, size } of items(tokens, stack.unit, span, "%local")) {
    stack.local += size;
    defineAt(preprocessor, name, -stack.local, span);
    const total = preprocessor.contexts.nameOf({ ...span, kind: "pp", text: "%$localsize" });
    const sum = preprocessor.evaluate(tokensFor(`${total}+${size}`, span), span);
    const body = tokensFor(String(sum), span);
    preprocessor.macros.define({ name: total, parameters: undefined, body, ignoreCase: false });
  }
};
