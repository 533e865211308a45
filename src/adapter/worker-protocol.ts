/**
 * Messages between a host (the web extension) and the worker that runs the debug adapter or the language server.
 * Types only.
 *
 * The first message to a worker is `start`. A "debug" worker then exchanges the messages below; a "language" worker speaks
 * plain LSP messages on the same port and asks for files with the LSP request `ringside/readFile` ({ uri } -> base64 text or null).
 */

import type { Tree } from "./debug/files.ts";

export type WorkerRole = "debug" | "language";

export type ToWorker =
  | { readonly type: "start"; readonly role: WorkerRole }
  /** A DAP request, or a response to a reverse request. */
  | { readonly type: "dap"; readonly message: unknown }
  | { readonly type: "file"; readonly id: number; readonly bytes: Uint8Array | undefined }
  | { readonly type: "tree"; readonly id: number; readonly tree: Tree | string };

export type FromWorker =
  /** A DAP response, event or reverse request. */
  | { readonly type: "dap"; readonly message: unknown }
  | { readonly type: "readFile"; readonly id: number; readonly uri: string }
  | { readonly type: "readTree"; readonly id: number; readonly uri: string; readonly mostBytes: number };

/** The part of a worker's global scope (or of a MessagePort) that the worker's side needs. */
export interface WorkerPort {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  removeEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}
