/** `ringside lsp`: the language server on stdio. */
import { createConnection, StreamMessageReader, StreamMessageWriter } from "vscode-languageserver/node";
import { startServer } from "../asmlang/server/index.ts";
import { parse } from "./options.ts";

export function lsp(args: readonly string[]): Promise<number> {
  parse(args, { stdio: { type: "boolean" } });
  const connection = createConnection(new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout));
  startServer(connection);
  return new Promise((resolve) => connection.onExit(() => resolve(0)));
}
