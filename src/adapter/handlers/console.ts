/**
 * The debug console: commands for what editors have no button for, and completion. What begins with no command's name is an
 * expression. docs/console.md lists them all.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { completions } from "../debug/completion.ts";
import { COMMANDS } from "./commands.ts";
import type { Context, HandlerTable } from "./context.ts";

/**
 * The answer of the command that `text` names, or undefined if it names none. A symbol of a command's name is an expression, unless a
 * word follows, which no expression has there.
 */
export async function runCommand(context: Context, text: string): Promise<string | undefined> {
  const [name = "", ...rest] = text.trim().split(/\s+/);
  const command = COMMANDS.get(name);
  if (command === undefined) return undefined;
  const isSymbol = context.launched.target.symbols(context.cpu).address(name) !== undefined;
  if (isSymbol && !/^\w/.test(rest[0] ?? "")) return undefined;
  return command.run(context, rest.join(" "));
}

function completionsRequest(context: Context, args: DebugProtocol.CompletionsArguments) {
  const column = args.column - context.columnBase;
  const { target } = context.launched;
  const found = completions(target, context.cpu, [...COMMANDS.keys()], args.text, column);
  // `start` counts from 0 whatever columns do: VS Code, nvim-dap, dape and vimspector read it so, against the protocol's text
  return { targets: found };
}

export const consoleHandlers: HandlerTable = { completions: completionsRequest };
