/**
 * The worker's side of worker-protocol.ts: waits for `start`, then connects the port to a debug adapter or a language server.
 * Knows neither of them; worker.ts joins the real ones to it.
 */
import type { FileSystem, Tree } from "./debug/files.ts";
import type { FromWorker, ToWorker, WorkerPort } from "./worker-protocol.ts";

/** Takes DAP messages from the client; what it has to say goes to the `send` it was made with. */
export interface MessageHandler {
  handleMessage(message: unknown): void;
}

export interface WorkerServices {
  debug(files: FileSystem, send: (message: unknown) => void): MessageHandler;
  language(port: WorkerPort): void;
}

/** Files by asking the other side: each question carries an id, and the answer may come in any order. */
class RemoteFiles implements FileSystem {
  readonly #send: (message: FromWorker) => void;
  readonly #waiting = new Map<number, (answer: never) => void>();
  #lastId = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  read(uri: string): Promise<Uint8Array | undefined> {
    return this.#ask((id) => ({ type: "readFile", id, uri }));
  }

  readTree(uri: string, mostBytes: number): Promise<Tree | string> {
    return this.#ask((id) => ({ type: "readTree", id, uri, mostBytes }));
  }

  #ask<T>(question: (id: number) => FromWorker): Promise<T> {
    const id = ++this.#lastId;
    return new Promise((resolve: (answer: T) => void) => {
      this.#waiting.set(id, resolve);
      this.#send(question(id));
    });
  }

  answer(id: number, answer: unknown): void {
    this.#waiting.get(id)?.(answer as never);
    this.#waiting.delete(id);
  }
}

function hostDebugAdapter(port: WorkerPort, services: WorkerServices): void {
  const post = (message: FromWorker) => port.postMessage(message);
  const files = new RemoteFiles(post);
  const adapter = services.debug(files, (message) => post({ type: "dap", message }));
  port.addEventListener("message", ({ data }) => {
    const message = data as ToWorker;
    if (message.type === "dap") adapter.handleMessage(message.message);
    else if (message.type === "file") files.answer(message.id, message.bytes);
    else if (message.type === "tree") files.answer(message.id, message.tree);
  });
}

/** Call once, synchronously, when the worker's script runs. */
export function hostWorker(port: WorkerPort, services: WorkerServices): void {
  const onFirst = ({ data }: { data: unknown }) => {
    const message = data as ToWorker;
    if (message.type !== "start") return;
    port.removeEventListener("message", onFirst);
    if (message.role === "debug") hostDebugAdapter(port, services);
    else services.language(port);
  };
  port.addEventListener("message", onFirst);
}
