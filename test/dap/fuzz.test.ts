/**
 * Odd messages by the thousand to one adapter, as bytes: every good request is answered exactly once and by schema, no answer tells of a bug of
 * ours, and afterwards the adapter runs a program as if nothing had been. `npm run fuzz:dap` sends more.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { expect, it } from "vitest";
import { connect } from "../../src/adapter/connection.ts";
import { SeededRandom } from "../../src/emu/machine/random.ts";
import { frameOf, OddMessages } from "./fuzz-messages.ts";
import { definitionFor, validate } from "./schema.ts";

const MESSAGES = Number(process.env.DAP_MESSAGES ?? 6_000);
const SEED = Number(process.env.DAP_SEED ?? 1);
/** Messages between fresh starts of the program. */
const ROUND = 250;

const program = "file:///w/fuzz.asm";
const SOURCE = `
        bits 64
        global _start
_start: mov ecx, 40
.next:  call twice
        dec ecx
        jnz .next
        mov eax, 39
        syscall
        mov eax, 20
        int 0x80
.spin:  inc dword [count]
        jmp .spin
twice:  mov rbx, 21
        add rbx, rbx
        ret
        section .data
count:  dq 0
`;
const hello = "file:///w/hello.asm";
const HELLO = `
        bits 64
        global _start
_start: mov eax, 1
        mov edi, 1
        lea rsi, [rel text]
        mov edx, 6
        syscall
        mov eax, 60
        xor edi, edi
        syscall
text:   db "hello", 10
`;
const program32 = "file:///w/fuzz32.asm";
const SOURCE32 = SOURCE.replace("bits 64", "bits 32")
  .replaceAll("rbx", "ebx")
  .replace(/mov eax, 39\s+syscall/, "");
const FILES: Readonly<Record<string, string>> = { [program]: SOURCE, [program32]: SOURCE32, [hello]: HELLO };

/** What our own failures look like, also where they are taken for the user's. */
const OUR_FAULT =
  /a bug in Ringside|call stack|Invalid (array|typed|string|count|date)|Cannot (read|mix|convert|set) |is not (iterable|a function)|out of bounds/;

/** A cut message waits for the rest of its bytes. */
const FILLING = " ".repeat(1 << 16);

class FuzzClient {
  readonly odd: OddMessages;
  readonly events: DebugProtocol.Event[] = [];
  readonly #connection;
  readonly #awaited = new Map<
    number,
    { readonly text: string; readonly answered: (response: DebugProtocol.Response) => void }
  >();
  #seq = 1;
  #problem: Error | undefined;

  constructor(odd: OddMessages) {
    this.odd = odd;
    const files = { read: async (uri: string) => (FILES[uri] === undefined ? undefined : Buffer.from(FILES[uri])) };
    this.#connection = connect(files, (bytes) => this.#receive(Buffer.from(bytes)));
  }

  #receive(bytes: Buffer): void {
    const [header, json] = bytes.toString("utf8").split("\r\n\r\n", 2) as [string, string];
    try {
      expect(header).toBe(`Content-Length: ${Buffer.byteLength(json)}`);
      const message = JSON.parse(json);
      if (message.type === "event") this.#event(message);
      else this.#response(message);
    } catch (error) {
      this.#problem ??= error as Error;
    }
  }

  #event(event: DebugProtocol.Event): void {
    this.events.push(event);
    validate(definitionFor(event.event, "Event"), event);
    expect(JSON.stringify(event.body) ?? "").not.toMatch(OUR_FAULT);
  }

  #response(response: DebugProtocol.Response): void {
    const awaited = this.#awaited.get(response.request_seq);
    if (awaited === undefined) {
      // a broken frame may have held a whole request all the same, though none of ours waits for it
      expect(response.request_seq, "answered twice").toBeGreaterThan(BROKEN);
      return;
    }
    this.#awaited.delete(response.request_seq);
    validate(response.success ? definitionFor(response.command, "Response") : "ErrorResponse", response);
    expect(response.message ?? "", awaited.text.slice(0, 400)).not.toMatch(OUR_FAULT);
    this.#remember(response.body);
    awaited.answered(response);
  }

  /** Handles given out are what later requests name, when they are stale too. */
  #remember(body: unknown): void {
    const found = JSON.stringify(body ?? null).matchAll(/"(?:variablesReference|id|sourceReference)":(\d+)/g);
    for (const [, number] of found) this.odd.references.push(Number(number));
    this.odd.references.splice(0, this.odd.references.length - 200);
  }

  send(request: object, chunks = 1): Promise<DebugProtocol.Response> {
    const seq = this.#seq++;
    const text = JSON.stringify({ seq, type: "request", ...request });
    const answer = new Promise<DebugProtocol.Response>((answered) => this.#awaited.set(seq, { text, answered }));
    this.#push(frameOf(text), chunks);
    return answer;
  }

  sendBroken(): void {
    const seq = BROKEN + this.#seq++;
    this.#push(this.odd.brokenFrame(JSON.stringify({ seq, type: "request", ...this.odd.request() })), 1);
  }

  #push(bytes: Buffer, chunks: number): void {
    const size = Math.ceil(bytes.length / chunks);
    for (let at = 0; at < bytes.length; at += size) this.#connection.push(bytes.subarray(at, at + size));
  }

  get waiting(): readonly string[] {
    return [...this.#awaited.values()].map(({ text }) => text.slice(0, 300));
  }

  check(): void {
    if (this.#problem !== undefined) throw this.#problem;
  }

  /** Until everything is answered: what runs is paused, what a wrong length still waits for is filled up. */
  async settle(): Promise<void> {
    for (let tries = 0; tries < 4000 && this.#awaited.size > 0; tries++) {
      this.check();
      await new Promise((resolve) => setImmediate(resolve));
      if (tries % 20 === 19) void this.send({ command: "pause", arguments: { threadId: 1, room: FILLING } });
    }
    this.check();
    expect(this.waiting.filter((text) => !text.includes('"command":"pause"'))).toEqual([]);
  }

  /** From wherever it is to the first stop of a program. */
  async start(uri: string, more: object = {}): Promise<DebugProtocol.Event> {
    void this.send({ command: "terminate" });
    await this.settle();
    await this.#good({ command: "initialize", arguments: { adapterID: "ringside", supportsProgressReporting: true } });
    await this.#good({ command: "launch", arguments: { program: uri, historyMegabytes: 64, ...more } });
    for (const command of [
      "setBreakpoints",
      "setDataBreakpoints",
      "setFunctionBreakpoints",
      "setInstructionBreakpoints",
    ])
      await this.#good({ command, arguments: { source: { path: "/w/fuzz.asm" }, breakpoints: [] } });
    await this.#good({ command: "setExceptionBreakpoints", arguments: { filters: [] } });
    const stop = this.next("stopped", "terminated");
    await this.#good({ command: "configurationDone" });
    return stop;
  }

  async #good(request: object): Promise<void> {
    const response = await this.send(request);
    this.check();
    expect({ request, message: response.message }).toEqual({ request, message: undefined });
  }

  /** The next event of those names. */
  async next(...names: string[]): Promise<DebugProtocol.Event> {
    const from = this.events.length;
    for (const end = Date.now() + 60_000; Date.now() < end; ) {
      this.check();
      const found = this.events.slice(from).find(({ event }) => names.includes(event));
      if (found !== undefined) return found;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`waited in vain for ${names.join(" or ")}`);
  }
}

/** Sequence numbers above are of frames that may not be read as meant. */
const BROKEN = 2 ** 40;

it(`answers ${MESSAGES} odd messages, each once, and works on`, { timeout: 3_600_000 }, async () => {
  const client = new FuzzClient(new OddMessages(new SeededRandom("fuzz", SEED)));
  for (let sent = 0; sent < MESSAGES; sent++) {
    if (sent % ROUND === 0) {
      client.events.length = 0;
      await (client.odd.once(3) ? client.start(program32, { arch: "i386" }) : client.start(program));
    }
    if (client.odd.once(12)) client.sendBroken();
    else void client.send(client.odd.request(), client.odd.once(20) ? 7 : 1);
    if (client.odd.once(3)) await new Promise((resolve) => setImmediate(resolve));
    if (client.odd.once(6)) await client.settle();
  }
  await client.settle();
  client.events.length = 0;
  await client.start(hello);
  // breakpoints that were set in the kernel's sources are still there
  for (let stops = 0; stops < 500 && !client.events.some(({ event }) => event === "exited"); stops++) {
    const next = client.next("stopped", "terminated");
    await client.send({ command: "continue", arguments: { threadId: 1 } });
    await next;
  }
  expect(client.events.find(({ event }) => event === "exited")?.body).toEqual({ exitCode: 0 });
  const printed = client.events.filter(({ event, body }) => event === "output" && body.category === "stdout");
  expect(printed.map(({ body }) => body.output).join("")).toBe("hello\n");
});
