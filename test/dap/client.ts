/**
 * A scripted DAP client. It drives a session in this process; every message in either direction must be valid by the protocol's own
 * JSON schema (custom `ringside/` messages by its base types).
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { FileSystem } from "../../src/adapter/debug/files.ts";
import { createDebugSession } from "../../src/adapter/handlers/session.ts";
import type { Shelf } from "../../src/adapter/handlers/shelf.ts";
import { definitionFor, validate } from "./schema.ts";

type Message = DebugProtocol.ProtocolMessage;

/** What values may be told with, and when. */
const DECLARED = { supportsVariableType: true, supportsMemoryReferences: true, supportsInvalidatedEvent: true };

export class DapClient {
  readonly #session: ReturnType<typeof createDebugSession>;
  readonly #pending = new Map<number, (response: DebugProtocol.Response) => void>();
  readonly #waiting: { events: readonly string[]; resolve: (event: DebugProtocol.Event) => void }[] = [];
  readonly #problems: Error[] = [];
  readonly events: DebugProtocol.Event[] = [];
  /** What it says of itself beside, or instead of, what an editor with everything does. */
  declared: Partial<DebugProtocol.InitializeRequestArguments> = {};
  /** The thread that stopped last. */
  thread = 1;
  #seq = 1;

  constructor(files: FileSystem | Readonly<Record<string, string | Uint8Array>>, shelf?: Shelf) {
    this.#session = createDebugSession(
      typeof files.read === "function" ? (files as FileSystem) : memoryFiles(files as Record<string, string>),
      shelf,
    );
    this.#session.setRunAsServer(true);
    this.#session.onDidSendMessage((message) => this.#receive(message as Message));
  }

  #receive(message: Message): void {
    try {
      if (message.type === "response") this.#response(message as DebugProtocol.Response);
      else if (message.type === "event") this.#event(message as DebugProtocol.Event);
    } catch (error) {
      this.#problems.push(error as Error);
    }
  }

  #response(response: DebugProtocol.Response): void {
    this.#pending.get(response.request_seq)?.(response);
    this.#pending.delete(response.request_seq);
    validate(response.success ? definitionFor(response.command, "Response") : "ErrorResponse", response);
  }

  #event(event: DebugProtocol.Event): void {
    this.events.push(event);
    if (event.event === "stopped") this.thread = event.body.threadId;
    const at = this.#waiting.findIndex((waiter) => waiter.events.includes(event.event));
    if (at >= 0) this.#waiting.splice(at, 1)[0]!.resolve(event);
    validate(definitionFor(event.event, "Event"), event);
  }

  /** The response, successful or not. */
  async request(command: string, args?: unknown): Promise<DebugProtocol.Response> {
    const request = { seq: this.#seq++, type: "request", command, ...(args === undefined ? {} : { arguments: args }) };
    const answer = new Promise<DebugProtocol.Response>((resolve) => this.#pending.set(request.seq, resolve));
    this.#session.handleMessage(request as DebugProtocol.ProtocolMessage);
    const response = await answer;
    this.check();
    return response;
  }

  /** The number of the latest request. */
  get latest(): number {
    return this.#seq - 1;
  }

  /** The body of a request that must succeed, which must itself be valid. */
  // biome-ignore lint/suspicious/noExplicitAny: bodies are validated by schema, and read by tests
  async ok(command: string, args?: unknown): Promise<any> {
    if (!command.startsWith("ringside/"))
      validate(definitionFor(command, "Request"), { seq: 1, type: "request", command, arguments: args });
    const response = await this.request(command, args);
    if (!response.success) throw new Error(`${command} failed: ${response.message}`);
    return response.body;
  }

  /** The body of the next event of one of those names, from now on. Call before what causes it. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  next(...events: string[]): Promise<any> {
    return new Promise((resolve) => this.#waiting.push({ events, resolve: (found) => resolve(found.body) }));
  }

  /** Any request at all, whatever its arguments; the answer itself must still be valid. */
  loose(command: string, args: unknown): Promise<DebugProtocol.Response> {
    return this.request(command, args);
  }

  /** After a request that runs: pauses it, and waits for the stop (or the end). */
  async settle(): Promise<void> {
    const stopped = this.next("stopped", "terminated");
    await this.request("pause", { threadId: this.thread });
    await stopped;
  }

  /** Throws what was wrong with any message so far. */
  check(): void {
    const [first] = this.#problems;
    if (first !== undefined) throw first;
  }

  /** initialize, launch, breakpoints, configurationDone; resolves with the first stop. */
  async launch(
    configuration: Record<string, unknown>,
    configure: () => Promise<unknown> = async () => {},
    // biome-ignore lint/suspicious/noExplicitAny: as above
  ): Promise<any> {
    await this.ok("initialize", {
      adapterID: "ringside",
      linesStartAt1: true,
      columnsStartAt1: true,
      pathFormat: "path",
      ...DECLARED,
      ...this.declared,
    });
    const initialized = this.next("initialized");
    await this.ok("launch", configuration);
    await initialized;
    await configure();
    const stopped = this.next("stopped", "terminated");
    await this.ok("configurationDone");
    return stopped;
  }

  /** A running request (continue, next, stepIn, ...) and the stop it leads to; undefined body = the program ended. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async run(command: string, args: Record<string, unknown> = {}): Promise<any> {
    const stopped = this.next("stopped", "terminated");
    await this.ok(command, { threadId: this.thread, ...args });
    return stopped;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async topFrame(): Promise<any> {
    return (await this.ok("stackTrace", { threadId: this.thread })).stackFrames[0];
  }

  async evaluate(expression: string): Promise<string> {
    return (await this.ok("evaluate", { expression, context: "watch" })).result;
  }

  /** Variables of a scope, by name. */
  async scope(name: string): Promise<Map<string, DebugProtocol.Variable>> {
    const frame = await this.topFrame();
    const { scopes } = await this.ok("scopes", { frameId: frame.id });
    const found = scopes.find((scope: DebugProtocol.Scope) => scope.name.startsWith(name));
    if (found === undefined) throw new Error(`no scope ${name}`);
    return this.variables(found.variablesReference);
  }

  async variables(variablesReference: number): Promise<Map<string, DebugProtocol.Variable>> {
    const { variables } = await this.ok("variables", { variablesReference });
    return new Map(variables.map((variable: DebugProtocol.Variable) => [variable.name, variable]));
  }

  output(category = "stdout"): string {
    return this.events
      .filter(({ event, body }) => event === "output" && body.category === category)
      .map(({ body }) => body.output)
      .join("");
  }
}

/** Files by URI. */
function memoryFiles(files: Readonly<Record<string, string | Uint8Array>>): FileSystem {
  return {
    async read(uri) {
      const found = files[uri];
      return typeof found === "string" ? new TextEncoder().encode(found) : found;
    },
  };
}
