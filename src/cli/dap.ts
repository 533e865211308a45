/** `ringside dap`: the debug adapter on stdio, or on a loopback TCP port: one client at a time, and a program that one leaves waits for the next. */

import { createServer } from "node:net";
import type { Writable } from "node:stream";
import { connect } from "../adapter/connection.ts";
import { frame } from "../adapter/framing.ts";
import { Shelf } from "../adapter/handlers/shelf.ts";
import { hostFiles } from "./host-files.ts";
import { number, parse, text } from "./options.ts";

export function dap(args: readonly string[]): Promise<number> {
  const parsed = parse(args, { port: { type: "string" } });
  return text(parsed, "port") === undefined ? onStdio() : onPort(number(parsed, "port", 0, 0, 65535));
}

/** How long what goes on may take to end when the client has gone. */
const LAST_MILLISECONDS = 100;

/** What one turn of the event loop has to say is one write: a client asks for all scopes at once, and each write costs as much as some answers. */
function gathered(stream: Writable): (bytes: Uint8Array) => void {
  return (bytes) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      setImmediate(() => stream.uncork());
    }
    stream.write(bytes);
  };
}

function onStdio(): Promise<number> {
  const connection = connect(hostFiles, gathered(process.stdout));
  process.stdin.on("data", (bytes: Buffer) => connection.push(bytes));
  return new Promise((resolve) => {
    const end = () => {
      connection.close();
      setTimeout(() => process.exit(0), LAST_MILLISECONDS).unref();
      resolve(0);
    };
    process.stdin.on("close", end);
    process.stdout.on("error", end);
  });
}

/** What a client hears that comes while another is being served. */
const REFUSAL = Buffer.concat(
  [
    {
      event: "output",
      body: { category: "important", output: "Ringside: another client debugs here: one debug session at a time\n" },
    },
    { event: "terminated" },
  ].map((event, i) => frame({ seq: i + 1, type: "event", ...event })),
);

function onPort(port: number): Promise<number> {
  let busy = false;
  const shelf = new Shelf();
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (busy) {
      socket.end(REFUSAL);
      process.stderr.write("ringside: a second client was refused: one debug session at a time\n");
      return;
    }
    busy = true;
    const connection = connect(hostFiles, gathered(socket), shelf);
    socket.on("data", (bytes) => connection.push(bytes));
    socket.on("close", () => {
      busy = false;
      connection.close();
    });
  });
  return new Promise((resolve) => {
    server.on("error", (error) => {
      process.stderr.write(`ringside: cannot listen on port ${port}: ${error.message}\n`);
      resolve(2);
    });
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      process.stderr.write(
        `ringside: debug adapter on 127.0.0.1:${typeof address === "object" ? address?.port : port}\n`,
      );
    });
  });
}
