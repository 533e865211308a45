/**
 * Mutated lines of the corpus, both dialects: no exception, no hang, bounded memory. `npm run fuzz:asm -- --lines N` runs
 * more of them; a failure names the seed of its source, and `--seed S --lines 1` gives that source alone.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, link, writeElfExecutable, writeElfObject, writeFlatBinary } from "../../src/asmlang/index.ts";

const LINES = Number(process.env.FUZZ_LINES ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** Lines of the corpus that one source is made of, at most. */
const WINDOW = 60;
const MAX_SECONDS = 10;
const MAX_BYTES = 2 ** 30;

interface Program {
  readonly name: string;
  readonly lines: readonly string[];
}

const programs: readonly Program[] = ["corpus", "sources"].flatMap((folder) => {
  const at = path.join(import.meta.dirname, folder);
  return readdirSync(at)
    .filter((name) => /\.(s|asm|nasm)$/i.test(name))
    .sort()
    .map((name) => ({ name, lines: readFileSync(path.join(at, name), "utf8").split("\n") }));
});
const words = [
  ...new Set(programs.flatMap(({ lines }) => lines.flatMap((line) => line.match(/[%.$@]?\w+|[^\w\s]+/g) ?? []))),
].sort();
const NUMBERS = ["0", "-1", "255", "65536", "0x7fffffff", "0x80000000", "-0x80000001", "0xffffffffffffffff", "1e400"];

/** A stream of numbers from a seed: mulberry32. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Random = ReturnType<typeof randomFrom>;
const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)]!;

/** One change to a line; `other` is another line of any program. */
const MUTATIONS: readonly ((line: string, other: string, random: Random) => string)[] = [
  (line, _, random) => line.slice(0, random(line.length + 1)),
  (line, _, random) => line.slice(random(line.length + 1)),
  (line, other, random) => line.slice(0, random(line.length + 1)) + other.slice(random(other.length + 1)),
  (line, _, random) => line.replace(/\w+/g, (word) => (random(4) === 0 ? pick(random, words) : word)),
  (line, _, random) => line.replace(/\b\d\w*/g, () => pick(random, NUMBERS)),
  (line, _, random) => {
    const at = random(line.length + 1);
    return `${line.slice(0, at)} ${pick(random, words)} ${line.slice(at)}`;
  },
  (line, _, random) => {
    const at = random(line.length + 1);
    return line.slice(0, at) + String.fromCharCode(random(8) === 0 ? random(0x3000) : 32 + random(95)) + line.slice(at);
  },
  (line, _, random) => {
    const from = random(line.length + 1);
    return line.slice(0, from) + line.slice(from + 1 + random(5));
  },
  (line) => line + line,
  (_, other) => other,
];

interface Source {
  readonly uri: string;
  readonly text: string;
  /** Lines that were changed. */
  readonly changed: number;
}

function sourceFrom(seed: number): Source {
  const random = randomFrom(seed);
  const { name, lines } = pick(random, programs);
  const start = random(3) === 0 ? random(lines.length) : 0;
  let changed = 0;
  const text = lines.slice(start, start + WINDOW).map((line) => {
    if (random(3) > 0) return line;
    changed++;
    let mutated = line;
    for (let times = random(3) + 1; times > 0; times--)
      mutated = pick(random, MUTATIONS)(mutated, pick(random, pick(random, programs).lines), random);
    return mutated;
  });
  return { uri: name, text: text.join("\n"), changed };
}

/** Processor time that it took, in seconds. */
function check({ uri, text }: Source): number {
  const started = process.cpuUsage();
  const result = assemble({ uri, text }, { dialect: "auto", include: () => undefined, includeBytes: () => undefined });
  const lines = text.split(/\r\n|\n|\r/).length;
  for (const { message, range } of result.diagnostics) {
    if (message.includes("internal error")) throw new Error(message);
    if (range.uri === uri && (range.line >= lines || range.column < 0 || range.endColumn < range.column))
      throw new Error(`the range of '${message}' is not in the text`);
  }
  if (!result.diagnostics.some(({ severity }) => severity === "error")) {
    writeElfObject(result, true, { debug: true });
    writeFlatBinary(result);
    writeElfExecutable(link([result]));
  }
  const seconds = process.cpuUsage(started).user / 1e6;
  if (seconds > MAX_SECONDS) throw new Error(`it took ${seconds} s`);
  return seconds;
}

describe("mutated lines", () => {
  it(`${LINES} from seed ${SEED}`, () => {
    let changed = 0;
    const failures: string[] = [];
    let slowest = { seed: 0, name: "", seconds: 0 };
    for (let seed = SEED; changed < LINES && failures.length < 10; seed++) {
      const source = sourceFrom(seed);
      changed += source.changed;
      try {
        const seconds = check(source);
        if (seconds > slowest.seconds) slowest = { seed, name: source.uri, seconds };
      } catch (error) {
        failures.push(`seed ${seed}: ${String(error)}\n${source.text}`);
      }
    }
    const { seed, name, seconds } = slowest;
    console.log(
      `${changed} lines; the slowest source took ${seconds.toFixed(2)} s of processor time: seed ${seed}, ${name}`,
    );
    expect(failures.join("\n\n")).toBe("");
    expect(changed).toBeGreaterThanOrEqual(LINES);
    // What is kept, not what garbage has not been collected yet: sections of many megabytes come and go.
    const { heapUsed } = process.memoryUsage();
    expect(heapUsed).toBeLessThan(MAX_BYTES);
  }, 3_600_000);
});
