/** Source lines that tools wrote into ELF files, of every version of DWARF and both widths: what `gdb` says of every address. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { elfNames } from "../../../src/adapter/debug/elf-names.ts";
import { SymbolIndex } from "../../../src/adapter/debug/symbols.ts";
import { pathOfUri } from "../../../src/adapter/debug/uris.ts";
import { requireTool } from "../../tools.ts";

const dir = mkdtempSync(path.join(tmpdir(), "ringside-dwarf "));
afterAll(() => rmSync(dir, { recursive: true }));

const C = `#include "part.h"
int table[4];
__attribute__((noinline)) static int add(int a, int b) {
  for (int i = 0; i < b; i++)
    a += twice(i) + table[i & 3];
  return a;
}
#line 300 "else where/other.c"
int main(int argc, char **argv) {
  return add(argc,
             argc + 2);
}
`;
const HEADER = "static inline int twice(int a) {\n  return a * 2 +\n    1;\n}\n";
const ASSEMBLY = `.globl main
main:
  xor %eax, %eax
  .rept 300
  nop
  .endr
  .macro both
  inc %eax
  dec %eax
  .endm

  both
  ret
`;
const NASM = `global main
section .text
main:
  xor eax, eax
  times 5 nop
%include "part.inc"

  ret
`;

const files: Readonly<Record<string, string>> = {
  "a.c": C,
  "part.h": HEADER,
  "b.s": ASSEMBLY,
  "c.asm": NASM,
  "part.inc": "  inc eax\n  dec eax\n",
};
for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, name), text);

const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: dir, stdio: "pipe" });

/** What gdb says of each: "path:line", "" where it knows of no line. */
function oracle(file: string, addresses: readonly number[]): string[] {
  const script = `
import gdb, os
for address in [${addresses.join(", ")}]:
    place = gdb.find_pc_line(address)
    print("line=" + (os.path.normpath(place.symtab.fullname()) + ":" + str(place.line) if place.symtab and place.line else ""))
`;
  writeFileSync(path.join(dir, "lines.py"), script);
  const text = run("gdb", "-nx", "-batch", "-x", "lines.py", file).toString();
  return text.split("\n").flatMap((line) => (line.startsWith("line=") ? [line.slice(5)] : []));
}

/** Every address of the code. */
function codeOf(file: string): number[] {
  const [, size, address] = /^\s*\d* \.text\s+(\w+)\s+(\w+)/m.exec(
    execFileSync("objdump", ["-h", "-j", ".text", file], { cwd: dir, encoding: "utf8" }),
  )!;
  const start = Number.parseInt(address!, 16);
  return Array.from({ length: Number.parseInt(size!, 16) }, (_, i) => start + i);
}

const BUILDS: Readonly<Record<string, readonly string[]>> = {
  "gcc, DWARF 5": ["a.c", "-gdwarf-5"],
  "gcc, DWARF 5 with 64-bit offsets": ["a.c", "-gdwarf-5", "-gdwarf64"],
  "gcc -O2, DWARF 4": ["a.c", "-gdwarf-4", "-O2"],
  "gcc, DWARF 3": ["a.c", "-gdwarf-3", "-gstrict-dwarf"],
  "gcc, DWARF 2": ["a.c", "-gdwarf-2", "-gstrict-dwarf"],
  "gcc -m32": ["a.c", "-m32", "-g"],
  "gcc with views and columns": ["a.c", "-g3", "-O1", "-gvariable-location-views"],
  "GNU as": ["b.s", "-g", "-Wa,-g"],
  "GNU as, DWARF 3": ["b.s", "-Wa,--gdwarf-3"],
  "GNU as, another folder": [path.join(dir, "b.s"), "-g"],
};

function expectLines(file: string): void {
  const { symbols, lines } = elfNames(readFileSync(path.join(dir, file)));
  const index = new SymbolIndex(symbols, lines);
  const addresses = codeOf(file);
  const ours = addresses.map((address) => {
    const span = index.lineAt(address);
    return span === undefined ? "" : `${pathOfUri(span.uri)}:${span.line + 1}`;
  });
  const theirs = oracle(file, addresses);
  expect(ours).toEqual(theirs);
  expect(new Set(theirs).size).toBeGreaterThan(3);
}

describe.runIf(requireTool("gcc") && requireTool("gdb") && requireTool("objdump"))("lines as gdb's", () => {
  it.each(Object.entries(BUILDS))("%s", (name, args) => {
    const file = `${name.replace(/\W+/g, "-")}.elf`;
    run("gcc", ...args, "-nostartfiles", "-nodefaultlibs", "-Wl,-emain", "-o", file);
    expectLines(file);
  });

  it.runIf(requireTool("nasm", ["-v"]))("NASM", () => {
    run("nasm", "-felf64", "-g", "-F", "dwarf", "c.asm", "-o", "c.o");
    run("gcc", "c.o", "-nostartfiles", "-nodefaultlibs", "-Wl,-emain", "-o", "nasm.elf");
    expectLines("nasm.elf");
  });

  it("has no lines of a file that is cut short anywhere, and never fails", () => {
    run("gcc", "a.c", "-g", "-nostartfiles", "-nodefaultlibs", "-Wl,-emain", "-o", "whole.elf");
    const whole = readFileSync(path.join(dir, "whole.elf"));
    for (let length = 0; length < whole.length; length += 61) {
      const { lines } = elfNames(new Uint8Array(whole.subarray(0, length)));
      expect(Array.isArray(lines())).toBe(true);
    }
    const debug = whole.indexOf(".debug_line");
    for (let i = 0; i < 400; i++) {
      const bent = new Uint8Array(whole);
      bent[(i * 7919) % debug] = (i * 31) & 0xff;
      elfNames(bent).lines();
    }
  });
});
