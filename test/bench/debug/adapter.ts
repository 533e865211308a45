/** A client of the built adapter as its own process, over stdio, as an editor starts it. Measures only; tests check the messages. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export class AdapterProcess {
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, (message: Message) => void>();
  readonly #events: { name: string; resolve: (message: Message) => void }[] = [];
  #buffer = Buffer.alloc(0);
  #seq = 1;

  constructor(root: string) {
    this.#process = spawn(process.execPath, [path.join(root, "dist/ringside.cjs"), "dap"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#process.stdout!.on("data", (bytes: Buffer) => this.#received(bytes));
  }

  #received(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (;;) {
      const head = this.#buffer.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.#buffer.toString("latin1", 0, head))![1]);
      const start = head + 4;
      if (this.#buffer.length < start + length) return;
      this.#message(JSON.parse(this.#buffer.toString("utf8", start, start + length)));
      this.#buffer = this.#buffer.subarray(start + length);
    }
  }

  #message(message: Message): void {
    if (message.type === "response") {
      this.#answers.get(message.request_seq!)?.(message);
      return;
    }
    const at = this.#events.findIndex(({ name }) => name === message.event);
    if (at >= 0) this.#events.splice(at, 1)[0]!.resolve(message);
  }

  async request(command: string, args: unknown = {}): Promise<Message["body"]> {
    const text = JSON.stringify({ seq: this.#seq, type: "request", command, arguments: args });
    const answer = new Promise<Message>((resolve) => this.#answers.set(this.#seq++, resolve));
    this.#process.stdin!.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    const { success, message, body } = await answer;
    if (success !== true) throw new Error(`${command}: ${message}`);
    return body;
  }

  /** The next event of that name. Call before what causes it. */
  next(name: string): Promise<Message> {
    return new Promise((resolve) => this.#events.push({ name, resolve }));
  }

  /** A request that runs, up to the stop that it leads to. */
  async run(command: string, args: Record<string, unknown> = {}): Promise<void> {
    const stopped = this.next("stopped");
    await this.request(command, { threadId: 1, ...args });
    await stopped;
  }

  /** Processor time of the adapter so far, all threads, in milliseconds, as Linux tells it. */
  processorTime(): number {
    const threads = `/proc/${this.#process.pid}/task`;
    const nanoseconds = (thread: string) =>
      Number(readFileSync(`${threads}/${thread}/schedstat`, "utf8").split(" ")[0]);
    return readdirSync(threads).reduce((sum, thread) => sum + nanoseconds(thread), 0) / 1e6;
  }

  /** As an editor ends it: the client goes. */
  end(): Promise<void> {
    this.#process.stdin!.end();
    return new Promise((resolve) => void this.#process.on("exit", () => resolve()));
  }

  close(): void {
    this.#process.kill();
  }
}

interface Message {
  readonly type: "response" | "event";
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a request answers differs from request to request
  readonly body?: any;
}
