/** docs/trace.md names every event and every field of it: of those that the sources emit, and of those that the scenarios' runs really have. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { readConfiguration } from "../../src/adapter/debug/configuration.ts";
import { createTarget } from "../../src/adapter/debug/load.ts";
import { TRACE_SCHEMA } from "../../src/cli/trace.ts";

const root = path.join(import.meta.dirname, "../..");
const text = readFileSync(path.join(root, "docs/trace.md"), "utf8");

/** Fields by type: every word in backticks of its row. Console output has no lines. */
const documented = new Map(
  [...text.matchAll(/^\| `([\w-]+)` \| (.*) \|$/gm)].map(([, type, fields]) => [
    type!,
    new Set([...fields!.matchAll(/`(\w+)\??`/g)].map(([, field]) => field!)),
  ]),
);
/** What a row calls "the same" is its neighbour's. */
for (const [type, like] of [
  ["syscall", "syscall-enter"],
  ["exit-program", "exit-process"],
] as const)
  for (const field of documented.get(like)!) documented.get(type)!.add(field);

const EVERYWHERE = ["icount", "cpu", "type"];
const files = { read: async (uri: string) => new Uint8Array(readFileSync(new URL(uri))) };
/** Instructions; the longest scenario takes fewer. */
const MOST = 2_000_000;

it("says which schema it is", () => {
  expect(text).toContain(`{"type":"trace","schema":${TRACE_SCHEMA}}`);
});

it("has a row for every type that the sources emit", () => {
  const emitted = ["src/emu/kernel", "src/emu/machine"]
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" }).map((file) =>
        path.join(folder, file),
      ),
    )
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [
      ...readFileSync(path.join(root, file), "utf8").matchAll(/emit\((?:\w+ \? )?"([\w-]+)"(?: : "([\w-]+)")?/g),
    ])
    .flatMap(([, one, other]) => (other === undefined ? [one!] : [one!, other]));
  const types = new Set(emitted.filter((type) => type !== "console"));
  expect(types.size).toBeGreaterThan(25);
  expect([...documented.keys()].sort()).toEqual([...types].sort());
});

it.each(readdirSync(path.join(root, "scenarios")))("names every field of the trace of %s", async (name) => {
  const folder = path.join(root, "scenarios", name);
  const { program, launch } = JSON.parse(readFileSync(path.join(folder, "scenario.json"), "utf8"));
  const { target } = await createTarget(
    readConfiguration({ ...launch, program: `file://${path.join(folder, program)}` }),
    files,
  );
  const missing = new Set<string>();
  target!.machine.events.listen((event) => {
    if (event.type === "console") return;
    for (const [field, value] of Object.entries(event))
      if (value !== undefined && !EVERYWHERE.includes(field) && !documented.get(event.type)?.has(field))
        missing.add(`${event.type}.${field}`);
  });
  target!.run(MOST);
  expect([...missing]).toEqual([]);
});
