/** How sessions end: terminate and disconnect, what is left behind and attached to, processes killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { FrameReader, frame } from "../../src/adapter/framing.ts";
import { Shelf } from "../../src/adapter/handlers/shelf.ts";
import { DapClient } from "./client.ts";
import { definitionFor, validate } from "./schema.ts";

const program = "file:///w/end.asm";
/** Counts for ever. */
const COUNTS = ` bits 64
 global _start
_start: inc qword [count]
 jmp _start
 section .data
count: dq 0
`;

/** Counts until SIGTERM, of which its handler makes exit status 7. */
const HANDLES = ` bits 64
 global _start
_start: mov eax, 13
 mov edi, 15
 lea rsi, [action]
 xor edx, edx
 mov r10d, 8
 syscall
wait: inc qword [count]
 jmp wait
handler: mov eax, 60
 mov edi, 7
 syscall
restorer: mov eax, 15
 syscall
 section .data
action: dq handler, 0x04000000, restorer, 0
count: dq 0
`;

/** The child loops; the parent waits for it, and exits with the signal that killed it. */
const FORKS = ` bits 64
 global _start
_start: mov eax, 57
 syscall
 test eax, eax
 jz child
 mov eax, 61
 mov edi, -1
 lea rsi, [status]
 xor edx, edx
 xor r10d, r10d
 syscall
reaped: mov edi, [status]
 and edi, 127
 mov eax, 60
 syscall
child: pause
 jmp child
 section .data
status: dq 0
`;

const start = async (source: string, shelf?: Shelf) => {
  const client = new DapClient({ [program]: source }, shelf);
  await client.launch({ program });
  return client;
};
const eventsOf = (client: DapClient) => client.events.map(({ event }) => event);
const exitCode = (client: DapClient) => client.events.find(({ event }) => event === "exited")?.body.exitCode;
const breath = () => new Promise((resolve) => setTimeout(resolve, 60));

describe("terminate", () => {
  it("ends a program that has no handler for SIGTERM at once", async () => {
    const client = await start(COUNTS);
    const ended = client.next("terminated");
    await client.ok("terminate");
    await ended;
    expect(eventsOf(client)).not.toContain("exited");
    expect((await client.request("threads")).success).toBe(false);
  });

  it.each(["stopped", "running"])("lets the handler of a %s program have the last word", async (how) => {
    const client = await start(HANDLES);
    await client.run("next");
    for (let i = 0; i < 6; i++) await client.run("next");
    if (how === "running") await client.ok("continue", { threadId: 1 });
    const ended = client.next("terminated");
    await client.ok("terminate", {});
    await ended;
    expect(exitCode(client)).toBe(7);
  });

  it("stops at breakpoints of the handler, which can be stepped back from; asked again, it ends at once", async () => {
    const client = await start(HANDLES);
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "handler" }] });
    for (let i = 0; i < 7; i++) await client.run("next");
    const count = await client.evaluate("qword [count]");
    const stop = await client.run("terminate");
    expect(stop.reason).toBe("function breakpoint");
    expect((await client.topFrame()).name).toMatch(/^handler/);
    await client.run("stepBack");
    expect(BigInt(await client.evaluate("qword [count]"))).toBeGreaterThanOrEqual(BigInt(count));
    expect((await client.topFrame()).name).toMatch(/^wait/);
    const ended = client.next("terminated");
    await client.ok("terminate", {});
    await ended;
    expect(exitCode(client)).toBeUndefined();
  });
});

describe("disconnect", () => {
  it("without a server to stay in ends the program, whatever is asked, and says so beforehand", async () => {
    const client = new DapClient({ [program]: COUNTS });
    const capabilities = await client.ok("initialize", { adapterID: "ringside" });
    expect(capabilities).toMatchObject({ supportTerminateDebuggee: false, supportSuspendDebuggee: false });
    await client.ok("launch", { program });
    await client.ok("disconnect", { terminateDebuggee: false, suspendDebuggee: true });
    expect((await client.request("threads")).message).toContain("no program");
    const refused = await client.request("attach", {});
    expect(refused.message).toContain("nothing to attach to");
  });

  it("ends a launched program where nothing else is said, and leaves one that was attached to", async () => {
    const shelf = new Shelf();
    await (await start(COUNTS, shelf)).ok("disconnect");
    expect(shelf.isTaken).toBe(false);
    await (await start(COUNTS, shelf)).ok("disconnect", { terminateDebuggee: true });
    expect(shelf.isTaken).toBe(false);
    await (await start(COUNTS, shelf)).ok("disconnect", { terminateDebuggee: false, suspendDebuggee: true });
    expect(shelf.isTaken).toBe(true);
    const second = await attached(shelf);
    expect(shelf.isTaken).toBe(false);
    await second.client.ok("disconnect", { suspendDebuggee: true });
    expect(shelf.isTaken).toBe(true);
    const third = await attached(shelf);
    await third.client.ok("disconnect", { terminateDebuggee: true });
    expect(shelf.isTaken).toBe(false);
  });

  it("leaves a suspended program as it stands, history and bookmarks and all", async () => {
    const shelf = new Shelf();
    const first = await start(COUNTS, shelf);
    await first.ok("setFunctionBreakpoints", { breakpoints: [{ name: "_start", hitCondition: "50" }] });
    await first.run("continue");
    await first.ok("evaluate", { expression: "bookmark here", context: "repl" });
    const [count, { icount }] = [await first.evaluate("qword [count]"), await first.ok("ringside/time")];
    await first.ok("disconnect", { terminateDebuggee: false, suspendDebuggee: true });
    expect((await first.request("threads")).success).toBe(false);
    const { client, stop } = await attached(shelf);
    expect(stop).toMatchObject({ reason: "pause", text: "as another client left it" });
    expect((await client.ok("ringside/time")).icount).toBe(icount);
    expect(await client.evaluate("qword [count]")).toBe(count);
    await client.run("stepBack");
    await client.run("stepBack");
    expect(BigInt(await client.evaluate("qword [count]"))).toBe(BigInt(count) - 1n);
    // the other client's breakpoints are gone: it runs on over them
    const bookmarked = client.next("stopped");
    await client.ok("evaluate", { expression: "go here", context: "repl" });
    await bookmarked;
    expect((await client.ok("ringside/time")).icount).toBe(icount);
    await client.ok("continue", { threadId: 1 });
    await breath();
    await client.settle();
    expect(BigInt(await client.evaluate("qword [count],d"))).toBeGreaterThan(BigInt(count) + 1000n);
  });

  it.each(["stopped", "running"])(
    "lets a %s program run on without a client, and the next one's breakpoints stop it",
    async (how) => {
      const shelf = new Shelf();
      const first = await start(COUNTS, shelf);
      if (how === "running") await first.ok("continue", { threadId: 1 });
      const { length } = first.events;
      await first.ok("disconnect", { terminateDebuggee: false });
      await breath();
      const { client, stop } = await attached(shelf, (second) =>
        second.ok("setFunctionBreakpoints", { breakpoints: [{ name: "_start", condition: "qword [count] > 1000" }] }),
      );
      expect(stop.reason).toBe("function breakpoint");
      expect(BigInt(await client.evaluate("qword [count],d"))).toBeGreaterThan(1000n);
      expect(first.events.length).toBe(length);
      await client.run("restart");
      expect(await client.evaluate("qword [count],d")).toBe("0");
    },
  );

  it("keeps a program that has ended without a client, to look back from", async () => {
    const shelf = new Shelf();
    const first = await start(HANDLES.replace("wait:", "mov eax, 60\n mov edi, 3\n syscall\nwait:"), shelf);
    await first.ok("disconnect", { terminateDebuggee: false });
    await breath();
    const { client, stop } = await attached(shelf);
    expect(stop.text).toContain("ended");
    expect((await client.request("continue", { threadId: 1 })).message).toContain("has ended");
    await client.run("stepBack");
    expect(await client.evaluate("edi,d")).toBe("3");
  });

  async function attached(shelf: Shelf, configure: (client: DapClient) => Promise<unknown> = async () => {}) {
    const client = new DapClient({ [program]: COUNTS }, shelf);
    const capabilities = await client.ok("initialize", { adapterID: "ringside" });
    expect(capabilities).toMatchObject({ supportTerminateDebuggee: true, supportSuspendDebuggee: true });
    const initialized = client.next("initialized");
    await client.ok("attach", {});
    await initialized;
    expect(client.events.find(({ event }) => event === "process")!.body.startMethod).toBe("attach");
    await configure(client);
    const stopped = client.next("stopped", "terminated");
    await client.ok("configurationDone");
    return { client, stop: await stopped };
  }
});

describe("terminateThreads", () => {
  const threads = async (client: DapClient): Promise<{ id: number; name: string }[]> =>
    (await client.ok("threads")).threads;

  it("kills the process of a thread, which its parent hears of", async () => {
    const client = await start(FORKS);
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "child" }] });
    await client.run("continue");
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "reaped" }] });
    const child = (await threads(client)).find(({ name }) => name.includes("pid 1001"))!;
    await client.ok("terminateThreads", { threadIds: [child.id] });
    const stop = await client.run("continue");
    expect(stop.reason).toBe("function breakpoint");
    expect(await client.evaluate("dword [status]")).toBe("0x00000009");
    await client.run("continue");
    expect(exitCode(client)).toBe(9);
  });

  it("kills one that runs, and the others run on", async () => {
    const client = await start(FORKS);
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "child" }] });
    await client.run("continue");
    const child = (await threads(client)).find(({ name }) => name.includes("pid 1001"))!;
    await client.ok("setFunctionBreakpoints", { breakpoints: [] });
    await client.ok("continue", { threadId: 1 });
    const ended = client.next("terminated");
    await client.ok("terminateThreads", { threadIds: [child.id] });
    await ended;
    expect(exitCode(client)).toBe(9);
  });

  it("refuses what is no task of the program", async () => {
    const client = await start(COUNTS);
    const idle = (await threads(client)).find(({ name }) => name.includes("idle"));
    for (const id of [99, ...(idle === undefined ? [] : [idle.id])])
      expect((await client.request("terminateThreads", { threadIds: [id] })).message).toContain(
        `thread ${id} is no task`,
      );
  });
});

describe("a server on a port", () => {
  const servers: ReturnType<typeof spawn>[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.kill();
  });

  it("refuses a second client clearly, and serves it once the first has left; a program left behind waits meanwhile", async () => {
    const port = await serve();
    const file = path.join(mkdtempSync(path.join(tmpdir(), "ringside-port-")), "end.asm");
    writeFileSync(file, COUNTS);
    const first = await open(port);
    await first.ask("initialize", { adapterID: "ringside" });
    await first.ask("launch", { program: file });
    const second = await open(port);
    await second.closed;
    expect(second.events.map(({ event }) => event)).toEqual(["output", "terminated"]);
    expect(second.events[0].body.output).toContain("another client debugs here");
    expect((await first.ask("threads", {})).success).toBe(true);
    await first.ask("disconnect", { terminateDebuggee: false, suspendDebuggee: true });
    first.end();
    await first.closed;
    const third = await open(port);
    await third.ask("initialize", { adapterID: "ringside" });
    expect((await third.ask("attach", {})).success).toBe(true);
    expect((await third.ask("threads", {})).body.threads.length).toBeGreaterThan(0);
    third.end();
  });

  async function serve(): Promise<number> {
    const ringside = path.resolve(import.meta.dirname, "../../dist/ringside.cjs");
    const server = spawn(process.execPath, [ringside, "dap", "--port", "0"]);
    servers.push(server);
    const [said] = await once(server.stderr!, "data");
    return Number(/:(\d+)$/m.exec(String(said))![1]);
  }
});

/** A client on a socket. */
async function open(port: number) {
  const socket: Socket = connect(port, "127.0.0.1");
  // biome-ignore lint/suspicious/noExplicitAny: validated by schema, read by the test
  const [events, waiting]: [any[], Map<number, (response: any) => void>] = [[], new Map()];
  const reader = new FrameReader({
    onProblem: (problem) => expect.fail(problem),
    // biome-ignore lint/suspicious/noExplicitAny: as above
    onMessage(message: any) {
      if (message.type === "event") events.push(message);
      else waiting.get(message.request_seq)?.(message);
      if (message.type === "event") validate(definitionFor(message.event, "Event"), message);
    },
  });
  socket.on("data", (bytes) => reader.push(bytes));
  const closed = once(socket, "close");
  await once(socket, "connect");
  let seq = 1;
  return {
    events,
    closed,
    end: () => socket.end(),
    // biome-ignore lint/suspicious/noExplicitAny: as above
    ask: (command: string, args: object): Promise<any> =>
      new Promise((resolve) => {
        waiting.set(seq, resolve);
        socket.write(frame({ seq: seq++, type: "request", command, arguments: args }));
      }),
  };
}
