/** What a linker sees of GNU objects beside bytes: groups, versions, visibility. Ours beside those of `as`, and linked. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import { requireTool } from "../tools.ts";
import { inTemporaryFolder, run } from "./oracle.ts";

function object(folder: string, name: string, text: string): void {
  const result = assemble({ uri: `file:///${name}.s`, text }, { dialect: "gas", bits: 64 });
  expect(result.diagnostics).toEqual([]);
  writeFileSync(path.join(folder, `${name}.o`), writeElfObject(result, true));
}

/** Symbols as "value size type binding visibility name", sorted; sections aside. */
const symbols = (file: string, cwd: string) =>
  run("readelf", ["-W", "-s", file], cwd)
    .split("\n")
    .filter((line) => /^\s*\d+:/.test(line) && !/ SECTION | NOTYPE {2}LOCAL {2}DEFAULT {2}UND\s*$/.test(line))
    .map((line) => {
      const [, value, size, type, binding, visibility, section, name] = line.trim().split(/\s+/);
      return `${value} ${size} ${type} ${binding} ${visibility} ${/UND|ABS|COM/.test(section!) ? section : "defined"} ${name}`;
    })
    .sort();

/** Groups with their signatures and members. */
const groups = (file: string, cwd: string) =>
  run("readelf", ["-W", "-g", file], cwd)
    .split("\n")
    .map((line) => line.replace(/\[\s*\d+\]/g, "[]").trim())
    .filter((line) => line !== "" && !line.startsWith("There are no"))
    .map((line) => line.replace(/section \[\] /, "section "));

const TWICE = `	.section .text.twice,"axG",@progbits,twice,comdat
	.weak twice
	.type twice, @function
twice:	lea (%rdi,%rdi), %eax
	call helper
	ret
	.section .rodata.twice,"aG",@progbits,twice,comdat
	.quad twice
`;
const SOURCES: Readonly<Record<string, string>> = {
  "a COMDAT group with data": TWICE,
  "a group that is none to be dropped":
    '	.section .a,"awG",@progbits,mine\n	.long 1\n	.section .b,"awG",@progbits,mine\n	.long 2\n',
  "a default version":
    "	.globl old_name\n	.type old_name, @function\nold_name: ret\n	.size old_name, 1\n	.symver old_name, name@@V2\n",
  "two versions": "	.globl one, two\none: nop\ntwo: ret\n	.symver one, name@V1\n	.symver two, name@@V2\n",
  "a version of something else": "	.symver other, other@V1\n	call other\n	.quad other\n",
  "@@@, here and elsewhere":
    "	.globl here\nhere: ret\n	.symver here, there@@@V1\n	.symver away, gone@@@V3\n	call away\n	call here\n",
};

describe.runIf(requireTool("as") && requireTool("ld") && requireTool("readelf"))(
  "GNU objects as a linker sees them",
  () => {
    it.each(Object.entries(SOURCES))("%s", (_, text) => {
      inTemporaryFolder((folder) => {
        object(folder, "ours", text);
        writeFileSync(path.join(folder, "a.s"), text);
        run("as", ["--64", "a.s", "-o", "theirs.o"], folder);
        expect(symbols("ours.o", folder)).toEqual(symbols("theirs.o", folder));
        expect(groups("ours.o", folder)).toEqual(groups("theirs.o", folder));
      });
    });

    it("links two objects that have the same COMDAT group", () => {
      inTemporaryFolder((folder) => {
        object(folder, "one", `${TWICE}	.text\n	.globl _start, helper\n_start: call twice\nhelper: ret\n`);
        object(folder, "two", TWICE.replace(".weak", ".globl"));
        object(folder, "three", TWICE.replace(".weak", ".globl"));
        run("ld", ["one.o", "two.o", "three.o", "-o", "linked"], folder);
        expect(run("readelf", ["-W", "-s", "linked"], folder).match(/ twice$/gm)).toHaveLength(1);
      });
    });
  },
);
