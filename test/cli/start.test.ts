/** The code cache: made by the first runs, used by later ones, and never in the way. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const dist = path.resolve(import.meta.dirname, "../../dist");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "ringside-start-"));
  for (const name of ["ringside.cjs", "ringside-main.cjs"]) cpSync(path.join(dist, name), path.join(folder, name));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function help(): string {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [path.join(folder, "ringside.cjs"), "designs", "--help"],
    { encoding: "utf8" },
  );
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}
const caches = () => readdirSync(path.join(folder, "cache"));
const only = (): string => path.join(folder, "cache", caches()[0]!);

test("the first runs of a command make one cache, and it is left alone from then on", () => {
  const texts = new Set<string>();
  for (let run = 1; run <= 4; run++) {
    texts.add(help());
    expect(caches()).toHaveLength(1);
    expect(only()).toMatch(new RegExp(`designs.*\\.${run}$`));
  }
  const { mtimeMs } = statSync(only());
  texts.add(help());
  expect(statSync(only()).mtimeMs).toBe(mtimeMs);
  expect(texts.size).toBe(1);
});

test("a cache that V8 refuses is replaced", () => {
  for (let run = 1; run <= 4; run++) help();
  const text = help();
  writeFileSync(only(), "not a cache");
  expect(help()).toBe(text);
  expect(readFileSync(only()).length).toBeGreaterThan(10_000);
});

test("another bundle does not get the cache of this one", () => {
  help();
  const before = caches();
  writeFileSync(path.join(folder, "ringside-main.cjs"), 'process.stdout.write("another");');
  expect(help()).toBe("another");
  expect(caches()).toHaveLength(before.length + 1);
});

test("where nothing can be written it runs without", () => {
  writeFileSync(path.join(folder, "cache"), "in the way");
  expect(help()).toContain("ringside");
});
