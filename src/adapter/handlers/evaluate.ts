/** evaluate (watch, hover, console) and setExpression. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { bigToAddr } from "../../emu/cpu/state.ts";
import { evaluate, formatValue } from "../debug/expression.ts";
import { hexAddr } from "../debug/format.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";
import { changed } from "./variables.ts";

function evaluateRequest(context: Context, { expression, context: where }: DebugProtocol.EvaluateArguments) {
  const { target } = context.stopped;
  const assigns = /(^|[^=<>!])=($|[^=])/.test(expression);
  if (assigns && where === "hover") throw new RequestError("a hover does not change anything");
  const result = evaluate(expression, context.scope);
  if (assigns) changed(context);
  const near =
    result.bits >= 32 && result.value > 0xffffn
      ? target.symbols.describe(Number(BigInt.asIntN(64, result.value)))
      : undefined;
  const address = result.reference?.address ?? pointer(result.value, result.bits);
  return {
    result: formatValue(result) + (near === undefined || result.format !== "x" ? "" : ` <${near}>`),
    type: `${result.bits}-bit`,
    variablesReference: 0,
    ...(address === undefined ? {} : { memoryReference: hexAddr(address) }),
  };
}

/** A value wide enough to be an address can be looked at as memory. */
const pointer = (value: bigint, bits: number) => (bits >= 32 && value >= 0x1000n ? bigToAddr(value) : undefined);

function setExpression(context: Context, args: DebugProtocol.SetExpressionArguments) {
  void context.stopped;
  const { reference } = evaluate(args.expression, context.scope);
  if (reference?.write === undefined) throw new RequestError(`${args.expression} cannot be assigned to`);
  reference.write(evaluate(args.value, context.scope).value);
  changed(context);
  return { value: formatValue(evaluate(args.expression, context.scope)) };
}

export const evaluateHandlers: HandlerTable = { evaluate: evaluateRequest, setExpression };
