/**
 * The DAP server: every request goes through one table and gets exactly one answer; an unknown request or a failed one gets an
 * error response. Runs over any transport that DebugSession knows, and over plain messages in a worker.
 */
import { DebugSession } from "@vscode/debugadapter";
import type { DebugProtocol } from "@vscode/debugprotocol";
import { ConfigurationError } from "../debug/configuration.ts";
import type { FileSystem } from "../debug/files.ts";
import { ExpressionError } from "../debug/reference.ts";
import { Context } from "./context.ts";
import { RequestError } from "./errors.ts";
import { checkArguments } from "./shapes.ts";
import { HANDLERS } from "./table.ts";

export function createDebugSession(files: FileSystem): DebugSession {
  return new RingsideSession(files);
}

class RingsideSession extends DebugSession {
  readonly #context: Context;
  #afterResponse: (() => void)[] = [];

  constructor(files: FileSystem) {
    super();
    const client = {
      event: (event: string, body?: unknown) =>
        this.sendEvent({ type: "event", seq: 0, event, body } as DebugProtocol.Event),
      afterResponse: (action: () => void) => void this.#afterResponse.push(action),
    };
    this.#context = new Context(client, files);
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    void this.#answer(request);
  }

  async #answer(request: DebugProtocol.Request): Promise<void> {
    const response = {
      type: "response",
      seq: 0,
      request_seq: request.seq,
      command: request.command,
      success: true,
    } as DebugProtocol.Response;
    try {
      const handler = Object.hasOwn(HANDLERS, request.command) ? HANDLERS[request.command] : undefined;
      if (handler === undefined) throw new RequestError(`Ringside does not know the request "${request.command}"`);
      const args = request.arguments ?? {};
      checkArguments(request.command, args);
      const body = await handler(this.#context, args as never);
      if (body !== undefined) response.body = body;
    } catch (error) {
      fail(response, error, TOLD_TO_USER.has(request.command));
    }
    this.sendResponse(response);
    const actions = this.#afterResponse;
    this.#afterResponse = [];
    for (const action of actions) action();
  }
}

/** Requests that a person made; others, such as variables for a stop that has passed, fail without a message on the screen. */
const TOLD_TO_USER: ReadonlySet<string> = new Set([
  "launch",
  "restart",
  "setVariable",
  "setExpression",
  "writeMemory",
  "stepOut",
]);

/** What the user did wrong is said in a sentence; anything else is a bug of ours, and says so with its place. */
function fail(response: DebugProtocol.Response, error: unknown, showUser: boolean): void {
  const byUser = [RequestError, ConfigurationError, ExpressionError, RangeError].some((kind) => error instanceof kind);
  const column = error instanceof ExpressionError ? ` (column ${error.column + 1})` : "";
  const message = byUser
    ? `${(error as Error).message}${column}`
    : `a bug in Ringside: ${(error as Error)?.stack ?? error}`;
  response.success = false;
  response.message = message;
  response.body = {
    error: {
      id: byUser ? 1 : 2,
      format: message.replaceAll("{", "(").replaceAll("}", ")"),
      showUser: byUser && showUser,
    },
  };
}
