/** Every request type of the protocol's schema is answered, before a launch, while stopped and after the end: with a body or an error, never not at all. */
import { expect, it } from "vitest";
import { DapClient } from "./client.ts";
import { REQUESTS } from "./schema.ts";

const COMMANDS = [...REQUESTS.keys()];

/** Those end or begin something: asked last, in this order. */
const LAST = ["initialize", "launch", "configurationDone", "restart", "terminate", "disconnect"];

const program = "file:///w/p.asm";
const files = { [program]: "bits 64\nglobal _start\n_start: mov eax, 60\n xor edi, edi\n syscall\n" };

const MALFORMED: readonly unknown[] = [
  [],
  "text",
  5,
  null,
  { threadId: "one", frameId: {}, breakpoints: 7, source: 3 },
];

it("knows every request of the schema", async () => {
  expect(COMMANDS.length).toBeGreaterThan(40);
  const client = new DapClient(files);
  await client.launch({ program });
  const unknown: string[] = [];
  for (const command of COMMANDS) {
    if (LAST.includes(command)) continue;
    const { success, message = "" } = await client.loose(command, {});
    expect(success ? "" : message, command).not.toContain("bug in Ringside");
    if (message.includes("does not know")) unknown.push(command);
    if (success) await client.request("pause", {});
  }
  expect(unknown).toEqual([]);
});

it.each([["before a launch"], ["while stopped"], ["after the end"]])("answers malformed requests, %s", async (when) => {
  const client = new DapClient(files);
  if (when !== "before a launch") await client.launch({ program });
  if (when === "after the end") await client.run("continue");
  for (const command of [...COMMANDS.filter((name) => !LAST.includes(name)), ...LAST]) {
    for (const args of MALFORMED) {
      const { success, message = "" } = await client.loose(command, args);
      expect(success ? "" : message, `${command} ${JSON.stringify(args)}`).not.toContain("bug in Ringside");
      if (args !== null && typeof args !== "object") expect(success, `${command} ${args}`).toBe(false);
    }
  }
});
