/** evaluate (watch, hover, console) and setExpression. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { addrToBig } from "../../emu/cpu/state.ts";
import { ask, bitsFor, type Evaluated, evaluate, formatValue, type Scope } from "../debug/expression.ts";
import { assigns } from "../debug/expression-tree.ts";
import { contents, decimal } from "../debug/hover-text.ts";
import type { Reference } from "../debug/reference.ts";
import { elementsOf, leaf, mayPoint } from "../debug/variables.ts";
import { runCommand } from "./console.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";
import { shown } from "./shown.ts";
import { changed, memoryReferenceFor, references, typeFor } from "./variables.ts";

async function evaluateRequest(context: Context, args: DebugProtocol.EvaluateArguments) {
  if (args.context === "watch") return watched(context, args as never);
  void context.stopped;
  const answer = args.context === "repl" ? await runCommand(context, args.expression) : undefined;
  return answer === undefined ? value(context, args) : { result: answer, variablesReference: 0 };
}

function value(context: Context, args: DebugProtocol.EvaluateArguments) {
  const { expression, context: where } = args;
  const { target } = context.stopped;
  const scope = context.scopeOf(args.frameId);
  // what an editor asks by itself, again and again, is to change nothing
  const result = where === undefined || where === "repl" ? evaluate(expression, scope) : ask(expression, scope);
  if (assigns(expression)) changed(context);
  if (where === "repl") context.results.push(constant(result));
  if (result.count > 1) return listOf(context, `= ${expression}`, scope, result, hexOf(args.format));
  const near =
    mayPoint(result) && result.value > 0xffffn
      ? target.symbols(context.readCpu).describe(Number(BigInt.asIntN(64, result.value)))
      : undefined;
  const shownValue = formatValue(withFormat(result, args.format));
  const more = result.format === "x" ? (near === undefined ? "" : ` <${near}>`) : "";
  return {
    result: shownValue + more + (where === "hover" ? hovered(context, result, near) : ""),
    ...typeFor(context, `${result.bits}-bit`),
    ...childrenOf(context, expression, result),
    ...referencesOf(context, result),
  };
}

const watched = shown(value);

function childrenOf(context: Context, expression: string, { reference }: Evaluated) {
  if (reference?.elements === undefined) return { variablesReference: 0 };
  const name = expression.replace(/,[^,]*$/, "").trim();
  return {
    variablesReference: context.handle(`= ${name}`, () => elementsOf(reference, name)),
    indexedVariables: reference.elements.length,
  };
}

/** What a hover shows besides: of data that has a name, what is there. */
function hovered(
  { launched, readCpu }: Context,
  { value, bits, real, reference }: Evaluated,
  near: string | undefined,
) {
  if (real !== undefined || bits > 64) return "";
  if (near === undefined) return decimal(value, bits);
  const address = Number(BigInt.asIntN(64, value));
  const isCode = launched.target.symbols(readCpu).lineAt(address)?.bits !== undefined;
  const there = isCode || reference?.fixed !== true ? undefined : contents(readCpu, address);
  return there === undefined ? "" : `: ${there}`;
}

const constant = ({ value, bits, real }: Evaluated): Reference => ({
  bits,
  read: () => value,
  ...(real === undefined ? {} : { real: true }),
});

/** The protocol's wish for decimal counts where the expression itself does not name a format. */
const withFormat = (result: Evaluated, format: DebugProtocol.ValueFormat | undefined): Evaluated =>
  result.format === "x" && format?.hex === false ? { ...result, format: "u" } : result;
const hexOf = (format: DebugProtocol.ValueFormat | undefined): boolean => format?.hex !== false;

/** Several values in a row: text of all, and each as a child. */
function listOf(context: Context, path: string, scope: Scope, result: Evaluated, hexadecimal: boolean) {
  const { reference, bits, count, format } = result;
  const bytes = bits >> 3;
  const start = addrToBig(reference!.address!);
  const shownAs = format === "x" && !hexadecimal ? "u" : format;
  const elements = Array.from({ length: count }, (_, i) => {
    const element = scope.memory(undefined, start + BigInt(i * bytes), bytes);
    const value = element.read();
    const text = value === undefined ? "not mapped" : formatValue({ value, bits, format: shownAs });
    return leaf(`[${i}]`, element, { value: text, evaluateName: undefined });
  });
  return {
    result: elements.map(({ value }) => value).join(" "),
    ...typeFor(context, `${count} of ${bits} bits`),
    variablesReference: context.handle(path, () => elements),
    indexedVariables: count,
    ...memoryReferenceFor(context, reference!),
  };
}

/** A value wide enough to be an address can be looked at as memory. */
const referencesOf = (context: Context, result: Evaluated) =>
  references(context, result.reference ?? {}, mayPoint(result) ? result.value : undefined);

function setExpression(context: Context, args: DebugProtocol.SetExpressionArguments) {
  void context.stopped;
  const scope = context.scopeOf(args.frameId);
  const { reference } = ask(args.expression, scope);
  if (reference?.write === undefined) throw new RequestError(`${args.expression} cannot be assigned to`);
  reference.write(bitsFor(reference, ask(args.value, scope)));
  changed(context);
  const now = ask(args.expression, scope);
  return { value: formatValue(withFormat(now, args.format)), ...referencesOf(context, now) };
}

export const evaluateHandlers: HandlerTable = { evaluate: evaluateRequest, setExpression };
