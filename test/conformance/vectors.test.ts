/** The vectors that come with the repository; `npm run conformance:vectors -- DIR` runs any folder of them. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readVectors, skipReason, type Vector, VectorMachine } from "./vectors/run.ts";

const directory = fileURLToPath(new URL("vectors/80286-real/", import.meta.url));
const files = readdirSync(directory).filter((name) => name.endsWith(".jsonl.gz"));

describe("80286 hardware vectors", () => {
  const machine = new VectorMachine("286");
  it.each(files)("%s", (name) => {
    const vectors = readVectors(directory + name).filter((vector) => skipReason(vector) === undefined);
    expect(vectors.length).toBeGreaterThan(200);
    const failures = vectors.map((vector) => [vector.name, ...machine.run(vector)]).filter((lines) => lines.length > 1);
    expect(failures).toEqual([]);
  });
});

describe("a wrong result is seen", () => {
  const [vector] = readVectors(`${directory}60.jsonl.gz`);
  const { ramAfter, regsAfter } = vector!;
  it.each<[string, Partial<Vector>]>([
    ["a register", { regsAfter: { ...regsAfter, ax: 1 + (regsAfter.ax ?? vector!.regs.ax!) } }],
    ["a flag", { regsAfter: { ...regsAfter, flags: 1 ^ (regsAfter.flags ?? vector!.regs.flags! & 0xfff) } }],
    ["memory", { ramAfter: ramAfter.map(([at, byte], i) => [at, i === 0 ? byte ^ 1 : byte]) }],
    ["a write too many", { ramAfter: ramAfter.slice(4) }],
  ])("%s", (_name, change) => {
    const machine = new VectorMachine("286");
    expect(machine.run({ ...vector!, ...change })).toHaveLength(1);
    expect(machine.run(vector!)).toEqual([]);
  });
});
