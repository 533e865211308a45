/** Preprocessor directives that define, measure and report. */
import { FatalError, SourceError } from "../core/diagnostics.ts";
import { lookUp } from "../core/look-up.ts";
import type { Span } from "../core/source.ts";
import { packageName } from "./pp-conditions.ts";
import { part, quote, stringText } from "./pp-functions.ts";
import { PACKAGES } from "./pp-packages.ts";
import { argument, local, stackSize } from "./pp-stack.ts";
import type { Preprocessor } from "./preprocessor.ts";
import type { SingleMacro } from "./single-line.ts";
import { spacedText, splitCommas, type Token, textOf, tokensFor, trim } from "./tokens.ts";

export type PpDirective = (preprocessor: Preprocessor, tokens: readonly Token[], span: Span, name: string) => void;

/** The name that a directive defines, and the tokens after it. */
function nameAndRest(
  preprocessor: Preprocessor,
  tokens: readonly Token[],
  span: Span,
): { name: string; rest: readonly Token[] } {
  const all = trim(preprocessor.indirect(tokens));
  const [first] = all;
  if (!first || (first.kind !== "id" && first.kind !== "pp"))
    throw new SourceError(first ?? span, "expected the name of a macro");
  return { name: preprocessor.contexts.nameOf(first), rest: all.slice(1) };
}

const define: PpDirective = (preprocessor, tokens, span, directive) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  const { parameters, body } = rest[0]?.text === "(" ? readParameters(rest) : { parameters: undefined, body: rest };
  const expanded = directive.includes("xdefine") ? preprocessor.expand(body) : preprocessor.expandMarked(body);
  const other = preprocessor.macros.mixed(name, parameters !== undefined);
  if (other !== undefined)
    throw new SourceError(span, `'${name}' is defined ${other ? "with" : "without"} parameters; '%undef' it first`);
  preprocessor.macros.define({ name, parameters, body: trim(expanded), ignoreCase: directive.startsWith("%i") });
};

function readParameters(tokens: readonly Token[]): { parameters: SingleMacro["parameters"]; body: readonly Token[] } {
  const close = tokens.findIndex((token) => token.text === ")");
  if (close < 0) throw new SourceError(tokens[0]!, "the parameter list has no ')'");
  const inner = trim(tokens.slice(1, close));
  const parameters =
    inner.length === 0
      ? []
      : splitCommas(inner).map((one) => {
          const text = textOf(one);
          const match = /^([=&!\s]*)((?:[A-Za-z_.?@][\w.?@$#~]*)?)\s*(\+?)!?$/.exec(text);
          if (!match) throw new SourceError(one[0] ?? tokens[0]!, `'${text}' cannot be a parameter`);
          const [, flags, name, greedy] = match as unknown as [string, string, string, string];
          const [evaluated, quoted] = [flags.includes("="), flags.includes("&")];
          return { name, greedy: greedy === "+", evaluated, quoted, whole: flags.includes("&&") };
        });
  return { parameters, body: tokens.slice(close + 1) };
}

const undef: PpDirective = (preprocessor, tokens, span) => {
  preprocessor.macros.undefine(nameAndRest(preprocessor, tokens, span).name);
};

/** Defines `name` as the tokens of `text`. */
function setText(preprocessor: Preprocessor, name: string, text: string, span: Span, ignoreCase = false): void {
  preprocessor.macros.define({ name, parameters: undefined, body: tokensFor(text, span), ignoreCase });
}

const assign: PpDirective = (preprocessor, tokens, span, directive) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  setText(preprocessor, name, String(preprocessor.evaluate(rest, span)), span, directive.startsWith("%i"));
};

/** The arguments as strings; `,` between them may be left out. */
function strings(preprocessor: Preprocessor, tokens: readonly Token[], span: Span): string[] {
  return preprocessor
    .expand(tokens)
    .filter((token) => token.kind !== "space" && token.text !== ",")
    .map((token) => {
      if (token.kind !== "string") throw new SourceError(token ?? span, "expected a string");
      return stringText(token);
    });
}

const strlen: PpDirective = (preprocessor, tokens, span) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  const [text] = strings(preprocessor, rest, span);
  if (text === undefined) throw new SourceError(span, "expected a string");
  setText(preprocessor, name, String(new TextEncoder().encode(text).length), span);
};

const strcat: PpDirective = (preprocessor, tokens, span) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  setText(preprocessor, name, quote(strings(preprocessor, rest, span).join("")), span);
};

/** `%substr name "text" start[,count]`: counted from 1, a negative count from the end. */
const substr: PpDirective = (preprocessor, tokens, span) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  const [first, ...after] = trim(preprocessor.expand(rest));
  if (first?.kind !== "string") throw new SourceError(first ?? span, "expected a string");
  const text = stringText(first);
  const [from, count] = splitCommas(trim(after)[0]?.text === "," ? trim(after).slice(1) : after).map((one) =>
    Number(preprocessor.evaluate(one, span)),
  );
  setText(preprocessor, name, quote(part(text, from ?? 1, count)), span);
};

const defstr: PpDirective = (preprocessor, tokens, span, directive) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  setText(preprocessor, name, quote(spacedText(preprocessor.expand(rest))), span, directive.startsWith("%i"));
};

const deftok: PpDirective = (preprocessor, tokens, span, directive) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  setText(preprocessor, name, strings(preprocessor, rest, span).join(""), span, directive.startsWith("%i"));
};

/** The text of a message: strings without their quotes. */
function message(preprocessor: Preprocessor, tokens: readonly Token[]): string {
  const text = trim(tokens);
  if (text.length === 1 && text[0]!.kind === "string") return stringText(text[0]!);
  return trim(preprocessor.expand(text))
    .map((token) => (token.kind === "string" ? stringText(token) : token.text))
    .join("");
}

const include: PpDirective = (preprocessor, tokens, span) => {
  const [file] = trim(preprocessor.expand(tokens));
  if (file?.kind !== "string") throw new SourceError(file ?? span, "expected the name of a file in quotes");
  preprocessor.includeFile(stringText(file), file);
};

/** The number may be followed by `.nolist`; of anything else NASM says that it does not count. */
const rep: PpDirective = (preprocessor, tokens, span) => {
  const all = trim(preprocessor.expand(tokens));
  const count = splitCommas(all)[0]!.filter(({ text }) => !/^\.nolist$/i.test(text));
  const last = count.at(-1);
  const plain = last && /^(.*?)\.nolist$/i.exec(last.text);
  if (plain?.[1]) count[count.length - 1] = { ...last!, text: plain[1] };
  if (all.some(({ kind, text }) => kind === "op" && text === ","))
    preprocessor.reporter.warning(span, "what follows the number of repetitions is ignored");
  preprocessor.beginRepeat(preprocessor.evaluate(count, span), span);
};

/** `%defalias name target` */
const defalias: PpDirective = (preprocessor, tokens, span, directive) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  const [target] = trim(rest);
  if (target?.kind !== "id") throw new SourceError(target ?? span, "expected the name that this one stands for");
  preprocessor.macros.alias(name, target.text, directive.startsWith("%i"));
};

const undefalias: PpDirective = (preprocessor, tokens, span) => {
  preprocessor.macros.removeAlias(nameAndRest(preprocessor, tokens, span).name);
};

const ignore: PpDirective = () => {};

/** `%line number[+step] [file]` */
const line: PpDirective = (preprocessor, tokens, span) => {
  const match = /^(\d+)\s*(?:\+\s*(\d+))?(?:\s+(.*))?$/.exec(textOf(trim(tokens)));
  if (!match) throw new SourceError(span, "'%line' takes a number, '+' and a step, and the name of a file");
  const file = match[3]?.trim().replace(/^(["'`])(.*)\1$/, "$2");
  preprocessor.lineMarks.add(span.line, Number(match[1]), Number(match[2] ?? 1), file || undefined);
};

/** `%depend "file"`: for those who write makefiles. */
const depend: PpDirective = (preprocessor, tokens, span) => {
  const [file] = trim(preprocessor.expand(tokens));
  if (file?.kind !== "string") throw new SourceError(file ?? span, "expected the name of a file in quotes");
};

const CLEARED = /^(global|ctx|context|define|def|single|defalias|multi|macro|all)$/i;

const clear: PpDirective = (preprocessor, tokens, span) => {
  const words = tokens.filter(({ kind }) => kind !== "space");
  const wrong = words.find(({ text }) => !CLEARED.test(text));
  if (wrong) throw new SourceError(wrong ?? span, `'%clear' does not know '${wrong.text}'`);
  preprocessor.forget();
};

const use: PpDirective = (preprocessor, tokens, span) => {
  const name = packageName(tokens);
  const text = lookUp(PACKAGES, name);
  if (text === undefined) throw new SourceError(span, `there is no standard package '${name}'`);
  preprocessor.usePackage(name, text);
};

/** The name of a file as the search for includes finds it: here they have no other. */
const pathsearch: PpDirective = (preprocessor, tokens, span) => {
  const { name, rest } = nameAndRest(preprocessor, tokens, span);
  setText(preprocessor, name, quote(strings(preprocessor, rest, span).join("")), span);
};

export const PP_DIRECTIVES: Readonly<Record<string, PpDirective>> = {
  "%define": define,
  "%idefine": define,
  "%xdefine": define,
  "%ixdefine": define,
  "%undef": undef,
  "%defalias": defalias,
  "%idefalias": defalias,
  "%undefalias": undefalias,
  "%assign": assign,
  "%iassign": assign,
  "%strlen": strlen,
  "%strcat": strcat,
  "%substr": substr,
  "%defstr": defstr,
  "%idefstr": defstr,
  "%deftok": deftok,
  "%ideftok": deftok,
  "%error": (preprocessor, tokens, span) => {
    throw new SourceError(span, message(preprocessor, tokens) || "'%error'");
  },
  "%fatal": (preprocessor, tokens, span) => {
    throw new FatalError(span, message(preprocessor, tokens) || "'%fatal'");
  },
  "%warning": (preprocessor, tokens, span) =>
    preprocessor.reporter.warning(span, message(preprocessor, tokens) || "'%warning'"),
  "%include": include,
  "%rep": rep,
  "%endrep": (_, __, span) => {
    throw new SourceError(span, "'%endrep' without '%rep'");
  },
  "%exitrep": (preprocessor, _, span) => preprocessor.exit("rep", span),
  "%exitmacro": (preprocessor, _, span) => preprocessor.exit("macro", span),
  "%rotate": (preprocessor, tokens, span) => preprocessor.rotate(preprocessor.evaluate(tokens, span), span),
  "%macro": (preprocessor, tokens, span, name) => preprocessor.beginMacro(tokens, name, span),
  "%imacro": (preprocessor, tokens, span, name) => preprocessor.beginMacro(tokens, name, span),
  "%rmacro": (preprocessor, tokens, span, name) => preprocessor.beginMacro(tokens, name, span),
  "%irmacro": (preprocessor, tokens, span, name) => preprocessor.beginMacro(tokens, name, span),
  "%endmacro": (_, __, span) => {
    throw new SourceError(span, "'%endmacro' without '%macro'");
  },
  "%unmacro": (preprocessor, tokens, span) => preprocessor.removeMacro(tokens, span),
  "%unimacro": (preprocessor, tokens, span) => preprocessor.removeMacro(tokens, span),
  "%push": (preprocessor, tokens) => preprocessor.contexts.push(textOf(trim(tokens)), preprocessor.takeIds(1)),
  "%pop": (preprocessor, tokens, span) => preprocessor.contexts.pop(textOf(trim(tokens)), span),
  "%repl": (preprocessor, tokens, span) => preprocessor.contexts.rename(textOf(trim(tokens)), span),
  "%clear": clear,
  "%line": line,
  "%null": ignore,
  "%pragma": (preprocessor, tokens) => preprocessor.pragma(trim(tokens)),
  "%depend": depend,
  "%aliases": (preprocessor, tokens) => {
    preprocessor.macros.usesAliases = !/^off$/i.test(textOf(trim(tokens)));
  },
  "%use": use,
  "%arg": argument,
  "%local": local,
  "%stacksize": stackSize,
  "%pathsearch": pathsearch,
};
