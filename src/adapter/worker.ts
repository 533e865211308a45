/** The browser worker: our debug adapter and our language server on a worker's port. The first message says which (worker-protocol.ts). */
import { BrowserMessageReader, BrowserMessageWriter, createConnection } from "vscode-languageserver/browser";
import { startServer } from "../asmlang/server/index.ts";
import { createDebugSession } from "./handlers/session.ts";
import { hostWorker } from "./worker-host.ts";
import type { WorkerPort } from "./worker-protocol.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

hostWorker(scope as unknown as WorkerPort, {
  debug(files, send) {
    const session = createDebugSession(files);
    session.onDidSendMessage(send);
    return {
      handleMessage: (message) => session.handleMessage(message as Parameters<typeof session.handleMessage>[0]),
    };
  },
  language() {
    startServer(createConnection(new BrowserMessageReader(scope), new BrowserMessageWriter(scope)));
  },
});
