/** The language server over a pair of streams: diagnostics come as the text changes, includes are read through the client. */
import { Duplex } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { createConnection, StreamMessageReader, StreamMessageWriter } from "vscode-languageserver/node";
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader as RpcReader,
  StreamMessageWriter as RpcWriter,
} from "vscode-languageserver-protocol/node";
import { startServer } from "../../src/asmlang/server/index.ts";

class Pipe extends Duplex {
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.push(chunk);
    setImmediate(done);
  }
  override _read(): void {}
}

interface Published {
  uri: string;
  version?: number;
  diagnostics: {
    message: string;
    range: { start: { line: number; character: number } };
    severity: number;
    relatedInformation?: unknown[];
  }[];
}

interface Client {
  connection: MessageConnection;
  /** The next diagnostics for a document. */
  next(uri: string): Promise<Published>;
  open(uri: string, languageId: string, text: string): void;
  change(uri: string, version: number, text: string): void;
}

const open: MessageConnection[] = [];
afterEach(() => {
  for (const connection of open.splice(0)) connection.dispose();
});

async function start(files: Record<string, string> = {}): Promise<Client> {
  const [up, down] = [new Pipe(), new Pipe()];
  startServer(createConnection(new StreamMessageReader(up), new StreamMessageWriter(down)));
  const connection = createMessageConnection(new RpcReader(down), new RpcWriter(up));
  open.push(connection);
  const seen: Published[] = [];
  let waiting: { uri: string; resolve(published: Published): void } | undefined;
  connection.onNotification("textDocument/publishDiagnostics", (published: Published) => {
    if (waiting?.uri === published.uri) {
      waiting.resolve(published);
      waiting = undefined;
    } else seen.push(published);
  });
  connection.onRequest("ringside/readFile", ({ uri }: { uri: string }) =>
    files[uri] === undefined ? null : btoa(files[uri]),
  );
  connection.listen();
  const answer = await connection.sendRequest<{ capabilities: { textDocumentSync: number } }>("initialize", {
    processId: null,
    rootUri: null,
    capabilities: {},
  });
  expect(answer.capabilities.textDocumentSync).toBe(2);
  await connection.sendNotification("initialized", {});
  return {
    connection,
    next: (uri) =>
      new Promise((resolve) => {
        const at = seen.findIndex((one) => one.uri === uri);
        if (at >= 0) resolve(seen.splice(at, 1)[0]!);
        else waiting = { uri, resolve };
      }),
    open: (uri, languageId, text) =>
      void connection.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId, version: 1, text } }),
    change: (uri, version, text) =>
      void connection.sendNotification("textDocument/didChange", {
        textDocument: { uri, version },
        contentChanges: [{ text }],
      }),
  };
}

const places = (published: Published) =>
  published.diagnostics.map((one) => [one.range.start.line, one.range.start.character]);

describe("language server", () => {
  it("reports errors and takes them back when they are mended", async () => {
    const client = await start();
    client.open("file:///a.s", "ringside-gas", " mov $1, %eax\n frob %eax\n");
    const first = await client.next("file:///a.s");
    expect(places(first)).toEqual([[1, 1]]);
    client.change("file:///a.s", 2, " mov $1, %eax\n inc %eax\n");
    expect((await client.next("file:///a.s")).diagnostics).toEqual([]);
  });

  it("checks the text of the last change only", async () => {
    const client = await start();
    client.open("file:///a.asm", "ringside-nasm", "nop\n");
    for (let version = 2; version < 20; version++)
      client.change("file:///a.asm", version, version === 19 ? "nop\n" : `frob${version} x\n`);
    const published = await client.next("file:///a.asm");
    expect([published.version, published.diagnostics]).toEqual([19, []]);
  });

  it("reads included files through the client, and follows them when they are open", async () => {
    const client = await start({
      "file:///dir/defs.inc": "%define N 5\n%include 'more.inc'\n",
      "file:///dir/more.inc": "M equ 6\n",
    });
    client.open("file:///dir/a.asm", "ringside-nasm", '%include "defs.inc"\nmov eax, N + M\nmov ebx, missing\n');
    expect((await client.next("file:///dir/a.asm")).diagnostics.map((one) => one.message)).toEqual([
      "symbol 'missing' is not defined",
    ]);
    client.open("file:///dir/more.inc", "ringside-nasm", "M equ 6\nmissing equ 7\n");
    expect((await client.next("file:///dir/a.asm")).diagnostics).toEqual([]);
  });

  it("shows a problem in an included file at the include", async () => {
    const client = await start({ "file:///bad.inc": "nop\nfrob\n\nmov eax, [\n" });
    client.open("file:///a.asm", "ringside-nasm", "nop\n%include 'bad.inc'\n%include 'none.inc'\n");
    const { diagnostics } = await client.next("file:///a.asm");
    expect(diagnostics.map((one) => [one.range.start.line, one.message.slice(0, 15)])).toEqual([
      [1, "in bad.inc:2: l"],
      [1, "in bad.inc:4: t"],
      [2, "cannot find inc"],
    ]);
    expect(diagnostics[0]!.relatedInformation).toHaveLength(2);
  });

  it("clears diagnostics of a closed document", async () => {
    const client = await start();
    client.open("file:///a.s", "ringside-gas", " frob\n");
    await client.next("file:///a.s");
    void client.connection.sendNotification("textDocument/didClose", { textDocument: { uri: "file:///a.s" } });
    expect((await client.next("file:///a.s")).diagnostics).toEqual([]);
  });
});
