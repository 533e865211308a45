/**
 * A debug session on a stream of bytes, whatever carries them. What is not a message of the protocol is told to the user and left out; a
 * request without a proper command is answered with an error like any other.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { FileSystem } from "./debug/files.ts";
import { FrameReader, frame } from "./framing.ts";
import { createDebugSession } from "./handlers/session.ts";
import type { Shelf } from "./handlers/shelf.ts";

export interface Connection {
  /** Bytes from the client. */
  push(bytes: Uint8Array): void;
  /** The client is gone: what runs is stopped. */
  close(): void;
}

/** @param write takes what goes to the client. @param shelf where a program can be left that outlives the connection. */
export function connect(files: FileSystem, write: (bytes: Uint8Array) => void, shelf?: Shelf): Connection {
  const session = createDebugSession(files, shelf);
  let open = true;
  session.onDidSendMessage((message) => {
    if (open) write(frame(message));
  });
  const complain = (problem: string) =>
    session.sendEvent({
      type: "event",
      seq: 0,
      event: "output",
      body: { category: "important", output: `Ringside: ${problem}\n` },
    } as DebugProtocol.Event);
  const reader = new FrameReader({
    onProblem: complain,
    onMessage(message) {
      const { type, seq, command } = (message ?? {}) as Partial<DebugProtocol.Request>;
      if (type === "response") return; // there is no request of ours that one could answer
      if (type !== "request" || !Number.isSafeInteger(seq)) complain("a message that is no request was skipped");
      else if (typeof command === "string") session.handleMessage(message as DebugProtocol.Request);
      else session.sendResponse(noCommand(seq!, command));
    },
  });
  return {
    push: (bytes) => reader.push(bytes),
    close() {
      open = false;
      session.handleMessage({ seq: 0, type: "request", command: "disconnect" } as DebugProtocol.Request);
    },
  };
}

const NO_COMMAND = "the request has no command";
const noCommand = (seq: number, command: unknown): DebugProtocol.Response => ({
  type: "response",
  seq: 0,
  request_seq: seq,
  command: JSON.stringify(command) ?? "",
  success: false,
  message: NO_COMMAND,
  body: { error: { id: 1, format: NO_COMMAND, showUser: false } },
});
