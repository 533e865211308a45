/** The contents of scopes and of what unfolds below them; new values. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { evaluate, formatValue } from "../debug/expression.ts";
import { hexAddr } from "../debug/format.ts";
import type { Variable } from "../debug/variables.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";

function variables(context: Context, args: DebugProtocol.VariablesArguments) {
  const found = childrenOf(context, args.variablesReference);
  const first = args.start ?? 0;
  return {
    variables: found
      .slice(first, args.count ? first + args.count : undefined)
      .map((variable) => dapVariable(context, variable)),
  };
}

function childrenOf(context: Context, reference: number): readonly Variable[] {
  void context.stopped;
  const found = context.childrenOf(reference);
  if (found === undefined) throw new RequestError("these variables are from an earlier stop");
  return found;
}

function dapVariable(context: Context, variable: Variable): DebugProtocol.Variable {
  const { name, value, type, evaluateName, address, children, reference } = variable;
  return {
    name,
    value,
    variablesReference: children === undefined ? 0 : context.handle(children),
    ...(type === undefined ? {} : { type }),
    ...(evaluateName === undefined ? {} : { evaluateName }),
    ...(address === undefined ? {} : { memoryReference: hexAddr(address) }),
    ...(reference === undefined ? { presentationHint: { attributes: ["readOnly"] } } : {}),
  };
}

function setVariable(context: Context, args: DebugProtocol.SetVariableArguments) {
  const variable = childrenOf(context, args.variablesReference).find(({ name }) => name === args.name);
  if (variable === undefined) throw new RequestError(`there is no "${args.name}" here`);
  const write = variable.reference?.write;
  if (write === undefined) throw new RequestError(`${args.name} cannot be changed`);
  const { value } = evaluate(args.value, context.scope);
  write(value);
  changed(context);
  const { bits } = variable.reference!;
  return {
    value: formatValue({ value: variable.reference!.read() ?? value, bits, format: "x" }),
  };
}

/** A new future begins here; and what the client shows may be stale: one register can be a part of another, and a symbol's, and a flag's. */
export function changed(context: Context): void {
  context.launched.history.changed();
  context.client.afterResponse(() => {
    context.client.event("invalidated", { areas: ["variables", "stacks"] });
    context.client.event("ringside/changed");
  });
}

export const variableHandlers: HandlerTable = { variables, setVariable };
