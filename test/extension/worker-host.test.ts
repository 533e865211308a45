import { describe, expect, it } from "vitest";
import type { FileSystem } from "../../src/adapter/debug/files.ts";
import { hostWorker } from "../../src/adapter/worker-host.ts";
import type { FromWorker, ToWorker, WorkerPort } from "../../src/adapter/worker-protocol.ts";

/** A port whose other side is the test. */
function testPort() {
  const listeners = new Set<(event: { data: unknown }) => void>();
  const sent: FromWorker[] = [];
  const port: WorkerPort = {
    postMessage: (message) => void sent.push(message as FromWorker),
    addEventListener: (_, listener) => void listeners.add(listener),
    removeEventListener: (_, listener) => void listeners.delete(listener),
  };
  const say = (data: ToWorker | object) => {
    for (const listener of [...listeners]) listener({ data });
  };
  return { port, sent, say };
}

describe("the worker's host", () => {
  it("connects the debug adapter: DAP messages both ways", () => {
    const { port, sent, say } = testPort();
    const received: unknown[] = [];
    hostWorker(port, {
      debug: (_, send) => {
        send("hello");
        return { handleMessage: (message) => void received.push(message) };
      },
      language: () => expect.unreachable(),
    });
    say({ type: "start", role: "debug" });
    say({ type: "dap", message: "request" });
    expect(received).toEqual(["request"]);
    expect(sent).toEqual([{ type: "dap", message: "hello" }]);
  });

  it("reads files by asking, in any order of answers", async () => {
    const { port, sent, say } = testPort();
    let files: FileSystem | undefined;
    hostWorker(port, {
      debug: (given) => {
        files = given;
        return { handleMessage: () => {} };
      },
      language: () => expect.unreachable(),
    });
    say({ type: "start", role: "debug" });
    const [a, b, tree] = [files!.read("x:/a"), files!.read("x:/b"), files!.readTree!("x:/", 9)];
    expect(sent).toEqual([
      { type: "readFile", id: 1, uri: "x:/a" },
      { type: "readFile", id: 2, uri: "x:/b" },
      { type: "readTree", id: 3, uri: "x:/", mostBytes: 9 },
    ]);
    say({ type: "tree", id: 3, tree: { "/a": Uint8Array.of(7) } });
    say({ type: "file", id: 2, bytes: undefined });
    say({ type: "file", id: 1, bytes: Uint8Array.of(7) });
    expect(await a).toEqual(Uint8Array.of(7));
    expect(await b).toBeUndefined();
    expect(await tree).toEqual({ "/a": Uint8Array.of(7) });
  });

  it("gives the port to the language server, which alone listens from then on", () => {
    const { port, say } = testPort();
    let given: WorkerPort | undefined;
    hostWorker(port, {
      debug: () => expect.unreachable(),
      language: (its) => {
        given = its;
      },
    });
    say({ jsonrpc: "2.0" });
    expect(given).toBeUndefined();
    say({ type: "start", role: "language" });
    expect(given).toBe(port);
    say({ type: "start", role: "debug" });
  });
});
