/** Whatever the source is, the assembler answers, in bounded time, and every diagnostic lies inside the text. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elfNames } from "../../src/adapter/debug/elf-names.ts";
import {
  assemble,
  link,
  writeElfExecutable,
  writeElfObject,
  writeFlatBinary,
  writeListing,
} from "../../src/asmlang/index.ts";
import type { Dialect } from "../../src/asmlang/types.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 150);
const folder = path.join(import.meta.dirname, "sources");
const corpus = readdirSync(folder).map((name) => ({
  name,
  lines: readFileSync(path.join(folder, name), "utf8").split("\n"),
}));

const words =
  "mov add jmp call je loop push rep lock eax rax %eax $1 0x10 [ ] ( ) { } , : + - * / % & | ^ ~ ! < > << >> = == $ $$ . .. \" ' ` \\ ; # @ ? 1: 1b 1f label .local db dw dq times equ resb section .text .data .bss .long .byte .macro .endm .rept .endr .if .else .endif .set .org .align .fill %macro %endmacro %rep %endrep %if %else %endif %define %assign %1 %0 %% %$x %{1} %[x] %+ struc endstruc istruc iend at align bits global extern default rel org incbin #define #if #endif #include /* */ // qword ptr offset far near short byte dword [rel 99999999999999999999 -1 1.5 1e400 'abc' st(0) %st(1) %es: fs:".split(
    " ",
  );

const soup = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...words, " ", " ", "\n", "\t") },
      { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 6 }) },
    ),
    { maxLength: 120 },
  )
  .map((parts) => parts.join(" ").replace(/ ?\n ?/g, "\n"));

/** Real sources with lines dropped, doubled, swapped and cut. */
const mutated = fc
  .tuple(
    fc.constantFrom(...corpus),
    fc.array(
      fc.tuple(fc.nat(), fc.nat(), fc.constantFrom("drop", "swap", "cut", "insert"), fc.constantFrom(...words)),
      { minLength: 1, maxLength: 12 },
    ),
  )
  .map(([{ name, lines }, changes]) => {
    const text = [...lines];
    for (const [a, b, kind, word] of changes) {
      const at = a % text.length;
      const line = text[at]!;
      const column = b % (line.length + 1);
      if (kind === "drop") text.splice(at, 1, "");
      else if (kind === "swap") [text[at], text[b % text.length]] = [text[b % text.length]!, line];
      else if (kind === "cut") text[at] = line.slice(0, column);
      else text[at] = `${line.slice(0, column)} ${word} ${line.slice(column)}`;
    }
    return { name, text: text.join("\n") };
  });

function check(uri: string, text: string, dialect: Dialect | "auto"): void {
  const started = performance.now();
  const result = assemble({ uri, text }, { dialect, include: () => undefined });
  const lines = text.split(/\r\n|\n|\r/);
  for (const { message, range } of result.diagnostics) {
    expect(message).not.toContain("internal error");
    if (range.uri !== uri) continue;
    expect(range.line, message).toBeLessThan(Math.max(1, lines.length));
    expect(range.column, message).toBeGreaterThanOrEqual(0);
    expect(range.endColumn, message).toBeGreaterThanOrEqual(range.column);
  }
  if (!result.diagnostics.some((one) => one.severity === "error")) {
    const image = link([result]);
    elfNames(writeElfExecutable(image)).lines();
    writeElfObject(result);
    writeFlatBinary(result);
    writeListing(result, new Map());
  }
  expect(performance.now() - started).toBeLessThan(20_000);
}

describe("never throws, never hangs", () => {
  it("on words in any order", () => {
    fc.assert(
      fc.property(soup, fc.constantFrom("a.S", "a.s", "a.asm"), (text, uri) => check(uri, text, "auto")),
      { numRuns: RUNS * 4 },
    );
  });

  it("on real sources with damage", () => {
    fc.assert(
      fc.property(mutated, ({ name, text }) => check(name, text, "auto")),
      { numRuns: RUNS },
    );
  });

  it("on a source of the other dialect", () => {
    for (const { name, lines } of corpus) check(name, lines.join("\n"), /\.s$/i.test(name) ? "nasm" : "gas");
  });

  it("on ELF files that are none", () => {
    const result = assemble({ uri: "a.s", text: "_start: nop\n" }, { dialect: "gas" });
    const file = writeElfExecutable(link([result]));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 20 }),
        fc.nat(file.length),
        (changes, length) => {
          const damaged = file.slice(0, length);
          for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
          elfNames(damaged).lines();
        },
      ),
      { numRuns: RUNS },
    );
  });
});
