/** Holds docs/systems.md to the tree: files and scenarios exist, each scenario passes, and fails under the change that is named. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, test } from "vitest";
import { readScenario, runScenario, type ScenarioFile } from "../../src/cli/scenario-run.ts";
import { DESIGNS } from "../../src/emu/kernel/designs/design-table.ts";

const root = path.resolve(import.meta.dirname, "../..");
const scenarios = path.join(root, "scenarios");
const names = readdirSync(scenarios);
const load = (name: string) =>
  readScenario(name, (file) => ({
    uri: `file://${path.join(scenarios, name, file)}`,
    bytes: readFileSync(path.join(scenarios, name, file)),
  }));

const rows = readFileSync(path.join(root, "docs/systems.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| [A-Z]\d[a-z]? /.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, id, , file, scenario, fails]) => ({ id: id!, file: file!, scenario: scenario!, fails: fails! }));

/** "key=value" if a design, "entry: text" if a line of entry code. */
function isUnder(fails: string, { fails: mutation }: ScenarioFile): boolean {
  if (fails.startsWith("entry: ")) {
    const [before] = mutation.entry?.replace.trim().replaceAll(/\s+/g, " ").split("\n") ?? [];
    return before?.includes(fails.slice("entry: ".length)) === true;
  }
  const [key, value] = fails.split("=");
  const kernel = mutation.launch?.kernel as Record<string, string> | undefined;
  return kernel?.[key!] === value && DESIGNS.some((design) => design.key === key && design.value === value);
}

describe("docs/systems.md", () => {
  it("has every system of entry, exit and espfix", () => {
    const wanted = ["E1", "E2", "E3", "E4", "E5", "E6", "X1", "X2", "X3", "X4", "X5", "X6"];
    expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining(wanted));
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });

  it.each(rows)("$id: $file and $scenario exist, and it fails under $fails", ({ id, file, scenario, fails }) => {
    expect(existsSync(path.join(root, file)), file).toBe(true);
    expect(names).toContain(scenario);
    const loaded = load(scenario).file as ScenarioFile & { systems: readonly string[] };
    // a letter behind an id: one more look at the same system
    expect(loaded.systems).toContain(id.slice(0, 2));
    expect(isUnder(fails, loaded), JSON.stringify(loaded.fails)).toBe(true);
  });
});

describe("scenarios", () => {
  // runScenario runs it under the change that must break it too
  test.each(names)("%s is as expected, and is not under its mutation", (name) => {
    expect(runScenario(load(name))).toMatchObject({ ok: true });
    expect(existsSync(path.join(scenarios, name, "README.md"))).toBe(true);
  });

  it("cite something for every event", () => {
    for (const name of names) {
      const { expect: own, others = [] } = load(name).file;
      for (const { events } of [own, ...others.map((other) => other.expect)])
        for (const { cite } of events) expect(cite.length, name).toBeGreaterThan(5);
    }
  });
});

describe("designs", () => {
  it("of one key define the same symbols, so that entry code always has something to ask", () => {
    for (const { key, value, defines } of DESIGNS) {
      const first = DESIGNS.find((design) => design.key === key)!;
      expect(Object.keys(defines).sort(), `${key}=${value}`).toEqual(Object.keys(first.defines).sort());
    }
  });
});
