/** The vectors that come with the repository; `npm run conformance:vectors -- DIR` runs any folder of them. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readVectors, skipReason, VectorMachine } from "./vectors/run.ts";

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
