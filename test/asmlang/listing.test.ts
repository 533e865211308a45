/** Listings: at each line the bytes that `nasm -l` and `as -aln` show there, and the line itself. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { assemble, writeListing } from "../../src/asmlang/index.ts";
import type { Dialect } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";

const dir = mkdtempSync(path.join(tmpdir(), "ringside-listing-"));
afterAll(() => rmSync(dir, { recursive: true }));

const NASM = `bits 64
section .text
start: mov eax, 1
  add rbx, [rsp+8]
msg: db "hello, a string of some length", 10
  dq 0x123456789abcdef0
  jmp start
%macro two 0
  inc eax
  dec eax
%endmacro
  two
`;
const GAS = `.text
start: movl $1, %eax
  addq 8(%rsp), %rbx
msg: .ascii "hello, a string of some length\\n"
  .quad 0x123456789abcdef0
  jmp start
`;

/** Bytes by line, as far as a tool's listing shows them; "-" goes on in the next row. */
function bytesByLine(listing: string, row: RegExp): Map<number, string> {
  const found = new Map<number, string>();
  for (const [, line, bytes] of listing.matchAll(row))
    found.set(Number(line), (found.get(Number(line)) ?? "") + bytes!.replace(/[ -]/g, ""));
  return found;
}

function ours(text: string, dialect: Dialect): { bytes: Map<number, string>; texts: string[] } {
  const result = assemble({ uri: "file:///a", text }, { dialect, bits: 64, output: "object" });
  const listing = new TextDecoder().decode(writeListing(result, new Map([["file:///a", text]])));
  const bytes = new Map<number, string>();
  const texts: string[] = [];
  let line = 0;
  for (const [, hex, number, source] of listing.matchAll(/^[0-9A-F]{8} ([0-9A-F]+) *(?:(\d+) {2}(.*))?$/gm)) {
    line = number === undefined ? line : Number(number);
    bytes.set(line, (bytes.get(line) ?? "") + hex!);
    if (source !== undefined) texts.push(`${line} ${source}`);
  }
  return { bytes, texts };
}

const sourceLine = (text: string) => (entry: string) => {
  const [number, ...words] = entry.split(" ");
  return text.split("\n")[Number(number) - 1] === words.join(" ");
};

describe("listings", () => {
  it.runIf(requireTool("nasm", ["-v"]))("as nasm -l", () => {
    writeFileSync(path.join(dir, "a.asm"), NASM);
    execFileSync("nasm", ["-f", "elf64", "-l", "a.lst", "-o", "a.o", "a.asm"], { cwd: dir });
    const theirs = bytesByLine(
      readFileSync(path.join(dir, "a.lst"), "utf8").replace(/^ *\d+ [0-9A-F]{8} [0-9A-F]+ +<1>.*$/gm, ""),
      /^ *(\d+) [0-9A-F]{8} ([0-9A-F]+-?)(?= |$)/gm,
    );
    const { bytes, texts } = ours(NASM, "nasm");
    // a macro's bytes stand at its use
    expect(bytes.get(12)).toBe("FFC0FFC8");
    bytes.delete(12);
    expect(bytes).toEqual(theirs);
    expect(texts.length).toBeGreaterThan(5);
    expect(texts.every(sourceLine(NASM))).toBe(true);
  });

  it.runIf(requireTool("as"))("as as -aln", () => {
    writeFileSync(path.join(dir, "a.s"), GAS);
    const listing = execFileSync("as", ["--64", "-aln", "--listing-cont-lines=20", "-o", "b.o", "a.s"], {
      cwd: dir,
      encoding: "utf8",
    });
    const theirs = bytesByLine(listing, /^ *(\d+) (?:[0-9a-f]{4}| {4}) ((?:[0-9A-F]{2,8} ?)+)/gm);
    const { bytes, texts } = ours(GAS, "gas");
    expect(bytes).toEqual(theirs);
    expect(texts.every(sourceLine(GAS))).toBe(true);
  });

  it("names other files beside the numbers of their lines", () => {
    const files = new Map([["file:///a", '%include "part.inc"\n ret\n']]);
    const result = assemble(
      { uri: "file:///a", text: files.get("file:///a")! },
      {
        dialect: "nasm",
        bits: 64,
        include: () => {
          files.set("file:///w/part.inc", " nop\n");
          return { uri: "file:///w/part.inc", text: " nop\n" };
        },
      },
    );
    expect(new TextDecoder().decode(writeListing(result, files)).split("\n").slice(1, 3)).toEqual([
      "00000000 90               part.inc:1   nop",
      "00000001 C3                   2   ret",
    ]);
  });
});
