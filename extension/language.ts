/** The language client, the same on both hosts but for how its server starts. Starts with the first assembly file. */
import * as vscode from "vscode";
import type { BaseLanguageClient, LanguageClientOptions } from "vscode-languageclient";
import { readUri } from "./uris.ts";

const ours = ["ringside-gas", "ringside-nasm"];

export const clientOptions: LanguageClientOptions = {
  documentSelector: ours.map((language) => ({ language })),
  diagnosticCollectionName: "ringside",
  synchronize: { configurationSection: "ringside" },
  middleware: {
    // the kernel's sources, shown by the debugger: what they include and define only the kernel's build knows
    handleDiagnostics: (uri, found, next) => next(uri, uri.scheme === "debug" ? [] : found),
  },
};

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

async function start(create: () => Promise<BaseLanguageClient> | BaseLanguageClient): Promise<BaseLanguageClient> {
  const client = await create();
  client.onRequest("ringside/readFile", async ({ uri }: { uri: string }) => {
    const bytes = await readUri(uri);
    return bytes === undefined ? null : base64(bytes);
  });
  await client.start();
  return client;
}

/** Without a language server everything else works: a failure is logged, not thrown. */
export function languageClient(create: () => Promise<BaseLanguageClient> | BaseLanguageClient): vscode.Disposable {
  let client: Promise<BaseLanguageClient> | undefined;
  const startOnce = (document: vscode.TextDocument) => {
    if (client !== undefined || !ours.includes(document.languageId)) return;
    client = start(create);
    client.catch((error) => console.error("Ringside: the language server did not start:", error));
  };
  vscode.workspace.textDocuments.forEach(startOnce);
  const listener = vscode.workspace.onDidOpenTextDocument(startOnce);
  return new vscode.Disposable(() => {
    listener.dispose();
    void client?.then(
      (running) => running.stop(),
      () => undefined,
    );
  });
}
