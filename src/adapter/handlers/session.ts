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
import { Hint, Reported, RequestError } from "./errors.ts";
import { checkArguments } from "./shapes.ts";
import type { Shelf } from "./shelf.ts";
import { HANDLERS } from "./table.ts";

/** @param shelf where a program can be left that outlives the session. */
export function createDebugSession(files: FileSystem, shelf?: Shelf): DebugSession {
  return new RingsideSession(files, shelf);
}

class RingsideSession extends DebugSession {
  readonly #context: Context;
  /** What handlers that took their time want done after their response. */
  readonly #late: (() => void)[] = [];
  #afterResponse = this.#late;

  constructor(files: FileSystem, shelf: Shelf | undefined) {
    super();
    const client = {
      event: (event: string, body?: unknown) =>
        this.sendEvent({ type: "event", seq: 0, event, body } as DebugProtocol.Event),
      afterResponse: (action: () => void) => void this.#afterResponse.push(action),
    };
    this.#context = new Context(client, files, shelf);
  }

  /** What is answered at once is answered before another request is looked at. */
  protected override dispatchRequest(request: DebugProtocol.Request): void {
    const actions: (() => void)[] = [];
    this.#context.leisure.end();
    this.#afterResponse = actions;
    this.#context.request = request;
    const finish = (outcome: Outcome) => this.#finish(request, outcome, actions);
    try {
      const body = this.#handle(request);
      if (body instanceof Promise)
        body.then(
          (settled) => finish({ body: settled }),
          (error: unknown) => finish({ error }),
        );
      else finish({ body });
    } catch (error) {
      finish({ error });
    }
    this.#afterResponse = this.#late;
  }

  #handle({ command, arguments: args = {} }: DebugProtocol.Request) {
    const handler = Object.hasOwn(HANDLERS, command) ? HANDLERS[command] : undefined;
    if (handler === undefined) throw new RequestError(`Ringside does not know the request "${command}"`);
    checkArguments(command, args ?? {});
    return handler(this.#context, (args ?? {}) as never);
  }

  #finish({ seq, command }: DebugProtocol.Request, { body, error }: Outcome, actions: readonly (() => void)[]): void {
    const response = { type: "response", seq: 0, request_seq: seq, command, success: true } as DebugProtocol.Response;
    if (error instanceof Hint) this.#hint(error);
    if (error !== undefined) fail(response, error, TOLD_TO_USER.has(command) && !isTold(error));
    else if (body !== undefined) response.body = body;
    this.sendResponse(response);
    for (const action of [...actions, ...this.#late.splice(0)]) action();
    this.#context.leisure.requestDone();
  }

  #hint({ message }: Hint): void {
    this.#context.client.event("output", { category: "console", output: `${message}\n` });
  }
}

const isTold = (error: unknown): boolean => error instanceof Hint || error instanceof Reported;

interface Outcome {
  readonly body?: unknown;
  readonly error?: unknown;
}

/** Requests that a person made and whose error VS Code shows nowhere else; others, such as variables for a stop that has passed, fail without a message on the screen. */
const TOLD_TO_USER: ReadonlySet<string> = new Set([
  "launch",
  "attach",
  "restart",
  "terminateThreads",
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
