/** The extension in a browser: adapter and language server are workers, the scenarios a virtual file system. */
import * as vscode from "vscode";
import { LanguageClient } from "vscode-languageclient/browser";
import { activateOn, scenarioIndex } from "./activate.ts";
import { clientOptions } from "./language.ts";
import { ScenarioFiles, scenarioFolder, scenarioScheme } from "./scenario-files.ts";
import { startWorker, WorkerAdapter } from "./worker-adapter.ts";

export function activate(context: vscode.ExtensionContext): void {
  const { extensionUri } = context;
  const files = new ScenarioFiles(extensionUri, scenarioIndex(extensionUri));
  context.subscriptions.push(
    vscode.workspace.registerFileSystemProvider(scenarioScheme, files, { isCaseSensitive: true }),
  );
  activateOn(context, {
    scenarios: scenarioFolder,
    adapter: {
      createDebugAdapterDescriptor: async () =>
        new vscode.DebugAdapterInlineImplementation(
          new WorkerAdapter(await startWorker(extensionUri, "Ringside debug adapter")),
        ),
    },
    createLanguageClient: async () => {
      const worker = await startWorker(extensionUri, "Ringside language server");
      worker.postMessage({ type: "start", role: "language" });
      return new LanguageClient("ringside", "Ringside", worker, clientOptions);
    },
  });
}
