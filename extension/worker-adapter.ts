/** The web's debug adapter: messages forwarded to and from a worker of its own. The machine never runs in the extension host. */
import * as vscode from "vscode";
import type { FromWorker, ToWorker } from "../src/adapter/worker-protocol.ts";
import { readTree, readUri } from "./uris.ts";

/** A worker running the extension's worker bundle. A script from another origin is fetched first: browsers refuse it otherwise. */
export async function startWorker(extension: vscode.Uri, name: string): Promise<Worker> {
  const script = vscode.Uri.joinPath(extension, "dist", "web-worker.js");
  try {
    return new Worker(script.toString(true), { name });
  } catch {
    const source = (await vscode.workspace.fs.readFile(script)) as Uint8Array<ArrayBuffer>;
    return new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })), { name });
  }
}

export class WorkerAdapter implements vscode.DebugAdapter {
  readonly #messages = new vscode.EventEmitter<vscode.DebugProtocolMessage>();
  readonly onDidSendMessage = this.#messages.event;
  readonly #worker: Worker;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = (event) => this.#fail(event.message);
    this.#post({ type: "start", role: "debug" });
  }

  handleMessage(message: vscode.DebugProtocolMessage): void {
    this.#post({ type: "dap", message });
  }

  dispose(): void {
    this.#worker.terminate();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    if (message.type === "dap") this.#messages.fire(message.message as vscode.DebugProtocolMessage);
    else void this.#read(message);
  }

  async #read(message: Exclude<FromWorker, { type: "dap" }>): Promise<void> {
    const { id, uri } = message;
    if (message.type === "readFile") this.#post({ type: "file", id, bytes: await readUri(uri) });
    else this.#post({ type: "tree", id, tree: await readTree(uri, message.mostBytes) });
  }

  /** The worker is gone: end the session instead of leaving it without answers. */
  #fail(reason: string): void {
    const event = (name: string, body: object) =>
      this.#messages.fire({ type: "event", seq: 0, event: name, body } as vscode.DebugProtocolMessage);
    event("output", { category: "stderr", output: `Ringside: the debug adapter's worker failed: ${reason}\n` });
    event("terminated", {});
  }
}
