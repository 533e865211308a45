/**
 * Every instruction by its case file: our assembler makes the bytes, the decoder reads them back, the printer gives the line of
 * assembly, and both tiers do what the file says, to the last bit of the processor's state. The files are filled by a processor, not
 * by us (`npm run cases`), or by hand from the source that they name; `npm run cases -- check` asks the processor again.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { decode } from "./casekit/decode.ts";
import { describe as nameOf } from "./casekit/fill.ts";
import { type Group, parseCases } from "./casekit/format.ts";
import { machines, problemsOf } from "./casekit/problems.ts";
import { caseName, supportedMnemonics } from "./casekit/supported.ts";

const DIRECTORY = path.join(import.meta.dirname, "cases");
const files = readdirSync(DIRECTORY).filter((name) => name.endsWith(".txt"));
const read = (file: string): Group[] => parseCases(readFileSync(path.join(DIRECTORY, file), "utf8"), file);

describe("case files", () => {
  it("are there for every instruction, and for no other", () => {
    const supported = [...supportedMnemonics()].map((mnemonic) => `${caseName(mnemonic)}.txt`);
    expect(
      supported.filter((file) => !files.includes(file)),
      "without cases",
    ).toEqual([]);
    expect(
      files.filter((file) => !supported.includes(file)),
      "of nothing",
    ).toEqual([]);
  });

  it.each(files)("%s", (file) => {
    const groups = read(file);
    expect(groups.length).toBeGreaterThan(0);
    const wrong = groups.filter(({ bytes, mode }) => `${decode(bytes, mode).mnemonic.toLowerCase()}.txt` !== file);
    expect(wrong.map(nameOf), "of another instruction").toEqual([]);
    expect(groups.flatMap(problemsOf)).toEqual([]);
  });

  it("nothing is written elsewhere", () => {
    for (const [key, machine] of machines) expect(machine.strayWrites(), key).toEqual([]);
  });
});
