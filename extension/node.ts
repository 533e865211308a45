/** The extension on the desktop (and in VS Code's server): adapter and language server are processes of their own. */
import * as vscode from "vscode";
import { LanguageClient } from "vscode-languageclient/node";
import { activateOn } from "./activate.ts";
import { clientOptions } from "./language.ts";

/** The `ringside` command, run by the Node inside the editor. */
function ringside(context: vscode.ExtensionContext, verb: string) {
  const bundle = vscode.Uri.joinPath(context.extensionUri, "dist", "ringside.cjs").fsPath;
  return { command: process.execPath, args: [bundle, verb], env: { ELECTRON_RUN_AS_NODE: "1" } };
}

export function activate(context: vscode.ExtensionContext): void {
  const dap = ringside(context, "dap");
  const lsp = ringside(context, "lsp");
  activateOn(context, {
    scenarios: vscode.Uri.joinPath(context.extensionUri, "scenarios"),
    adapter: {
      createDebugAdapterDescriptor: () => new vscode.DebugAdapterExecutable(dap.command, dap.args, { env: dap.env }),
    },
    createLanguageClient: () =>
      new LanguageClient(
        "ringside",
        "Ringside",
        { command: lsp.command, args: lsp.args, options: { env: { ...process.env, ...lsp.env } } },
        clientOptions,
      ),
  });
}
