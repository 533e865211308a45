/** `ringside dap`: the debug adapter on stdio, or on a loopback TCP port (one client at a time). */

import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { createDebugSession } from "../adapter/handlers/session.ts";
import { pathOf } from "./files.ts";
import { number, parse, text } from "./options.ts";

/** Files as the adapter asks for them: by URI. undefined = there is none. */
const hostFiles = {
  async read(uri: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(pathOf(uri));
    } catch {
      return undefined;
    }
  },
};

export function dap(args: readonly string[]): Promise<number> {
  const parsed = parse(args, { port: { type: "string" } });
  return text(parsed, "port") === undefined ? onStdio() : onPort(number(parsed, "port", 0, 0, 65535));
}

function onStdio(): Promise<number> {
  const session = createDebugSession(hostFiles);
  session.setRunAsServer(false);
  session.start(process.stdin, process.stdout);
  return new Promise((resolve) => process.stdin.on("close", () => resolve(0)));
}

function onPort(port: number): Promise<number> {
  let busy = false;
  const server = createServer((socket) => {
    if (busy) {
      socket.end();
      process.stderr.write("ringside: a second client was refused: one debug session at a time\n");
      return;
    }
    busy = true;
    socket.on("close", () => {
      busy = false;
    });
    socket.on("error", () => socket.destroy());
    const session = createDebugSession(hostFiles);
    session.setRunAsServer(true);
    session.start(socket, socket);
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
