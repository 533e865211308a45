/**
 * `dist/ringside.cjs`: runs the bundle beside it, and keeps V8's code cache of it from one run to the next, so that only the first
 * runs of a command compile anything. The cache lies next to the bundle: whoever can write there could change the bundle as well.
 * Where nobody can, each run compiles.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Script } from "node:vm";

/** By when a command that goes on running has compiled what it needs to serve its client. */
const SETTLED_MILLISECONDS = 5000;
/** So many runs of a command add to its cache what they have compiled. */
const RUNS = 4;

const bundle = path.join(__dirname, "ringside-main.cjs");
const [command = "none"] = process.argv.slice(2);
const cache = path.join(__dirname, "cache", nameOfCache());

/** V8 itself refuses the cache of another V8, but not that of another text of the same length. */
function nameOfCache(): string {
  const { size, mtimeMs } = statSync(bundle);
  return [command.replace(/[^a-z]/g, ""), process.arch, process.versions.v8, size, Math.floor(mtimeMs)].join("-");
}

/** The cache that most runs have added to, and how many those are. */
function cached(): { runs: number; data?: Buffer } {
  for (let runs = RUNS; runs > 0; runs--) {
    try {
      return { runs, data: readFileSync(`${cache}.${runs}`) };
    } catch {
      // not so many yet
    }
  }
  return { runs: 0 };
}

/** Complete or not at all, whoever else does the same. */
function save(script: Script, runs: number): void {
  try {
    mkdirSync(path.dirname(cache), { recursive: true });
    const own = `${cache}.${runs}.${process.pid}`;
    writeFileSync(own, script.createCachedData());
    renameSync(own, `${cache}.${runs}`);
    if (runs > 1) rmSync(`${cache}.${runs - 1}`, { force: true });
  } catch {
    // without a cache the next run is slower, nothing else
  }
}

function main(): void {
  const { runs, data } = cached();
  // The build writes ASCII only: there is nothing to decode.
  const text = `(function (exports, require, module, __filename, __dirname) {${readFileSync(bundle, "latin1")}\n})`;
  const script = new Script(text, { filename: bundle, ...(data && { cachedData: data }) });
  if (runs < RUNS || script.cachedDataRejected) {
    const next = Math.min(runs + 1, RUNS);
    setTimeout(save, SETTLED_MILLISECONDS, script, next).unref();
    process.once("exit", () => save(script, next));
  }
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(bundle), module, bundle, __dirname);
}

main();
