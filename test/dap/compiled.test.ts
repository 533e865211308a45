/** A compiled program, dynamically linked: its C lines, breakpoints on them, and a call stack through a shared library. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DebugProtocol } from "@vscode/debugprotocol";
import { afterAll, describe, expect, it } from "vitest";
import { requireTool } from "../tools.ts";
import { DapClient } from "./client.ts";

const dir = mkdtempSync(path.join(tmpdir(), "ringside-compiled-"));
afterAll(() => rmSync(dir, { recursive: true }));

const SOURCE = `#include <stdlib.h>
static int compare(const void *a, const void *b) {
  return *(const int *)a -
         *(const int *)b;
}
int main(void) {
  int numbers[] = {3, 1, 2};
  qsort(numbers, 3, sizeof numbers[0], compare);
  return numbers[2];
}
`;
const source = path.join(dir, "sorted.c");
const program = path.join(dir, "sorted");

function build(...options: string[]): Record<string, Uint8Array> {
  writeFileSync(source, SOURCE);
  execFileSync("gcc", ["-g", "-O1", ...options, "-o", program, source]);
  const libraries = [...execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/\/\S+/g)].map(([name]) => name);
  return Object.fromEntries(libraries.map((name) => [name, readFileSync(name)]));
}

async function launch(libraries: Record<string, Uint8Array>): Promise<DapClient> {
  const files: Record<string, string | Uint8Array> = { [`file://${program}`]: readFileSync(program) };
  for (const [name, bytes] of Object.entries(libraries)) files[`file://${name}`] = bytes;
  const client = new DapClient(files);
  const inGuest = Object.fromEntries(Object.keys(libraries).map((name) => [name, `file://${name}`]));
  await client.launch({ program: `file://${program}`, files: inGuest, stopOnEntry: false, cpu: { count: 1 } }, () =>
    client.ok("setBreakpoints", { source: { path: source }, breakpoints: [{ line: 3 }] }),
  );
  return client;
}

const frames = async (client: DapClient) =>
  ((await client.ok("stackTrace", { threadId: client.thread })).stackFrames as DebugProtocol.StackFrame[]).map(
    ({ name, line, source }) => `${name.replace(/[+ ].*/, "")}${source === undefined ? "" : ` ${source.name}:${line}`}`,
  );

describe.runIf(requireTool("gcc"))("a compiled program", () => {
  it.each(["-m64", "-m32", "-m64 -no-pie -gdwarf-4"])("%s", async (options) => {
    const client = await launch(build(...options.split(" ")));
    expect(client.events.filter(({ event }) => event === "stopped").at(-1)?.body.reason).toBe("breakpoint");
    const stack = await frames(client);
    expect(stack[0]).toBe("compare sorted.c:3");
    const main = stack.indexOf("main sorted.c:8");
    expect(main).toBeGreaterThan(1);
    expect(stack.slice(1, main).join()).not.toContain("sorted.c");
    await client.ok("setBreakpoints", { source: { path: source }, breakpoints: [{ line: 8 }] });
    await client.run("reverseContinue");
    expect((await frames(client))[0]).toBe("main sorted.c:8");
    await client.ok("setBreakpoints", { source: { path: source }, breakpoints: [] });
    await client.run("stepIn");
    expect((await frames(client))[0]).toBe("main sorted.c:9");
    expect(client.events.filter(({ event }) => event === "module").map(({ body }) => body.module.name)).toContainEqual(
      expect.stringMatching(/libc\.so/),
    );
    await client.ok("setBreakpoints", { source: { path: source }, breakpoints: [{ line: 3 }] });
    await client.run("reverseContinue");
    expect((await frames(client))[0]).toBe("compare sorted.c:3");
    await client.ok("setBreakpoints", { source: { path: source }, breakpoints: [] });
    await client.run("continue");
    expect(client.events.find(({ event }) => event === "exited")?.body.exitCode).toBe(3);
  });
});
