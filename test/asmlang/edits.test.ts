/**
 * What the assembler remembers from one run to the next changes nothing: after any edits a source comes out as it does in an
 * assembler that has seen nothing before.
 */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import type { AssembleResult, Dialect } from "../../src/asmlang/types.ts";
import { plausible } from "../bench/edited.ts";

const LINES = 300;
const RUNS = 6;

const NEW_LINES: Readonly<Record<Dialect, readonly string[]>> = {
  gas: [
    "",
    "fresh:",
    "	addl	$1, %eax",
    "	addl	$1000000, %eax",
    "	movl	$COUNT, %ecx",
    "	.equ	COUNT, 500",
    "	.set	LIMIT, 3",
    "	.intel_syntax noprefix",
    "	.att_syntax",
    "	.code32",
    "	.macro	ret",
    "	.endm",
    "	.macro	call to",
    "	.purgem	ret",
    "	jmp	fresh",
    "	movl	fresh(%rip), %eax",
    "	.space	200",
    "	.data",
    "	.if	COUNT > 12",
    "	.endif",
    "	frob	%eax",
    '	.ascii	"abc',
  ],
  nasm: [
    "",
    "fresh:",
    "        add     eax, 1",
    "        add     eax, 1000000",
    "        mov     ecx, COUNT",
    "%define COUNT 500",
    "%define eax ebx",
    "%undef eax",
    "bits 32",
    "default abs",
    "%macro ret 0",
    "%endmacro",
    "%macro add 2",
    "%define inc dec",
    "        jmp     fresh",
    "        mov     eax, [fresh]",
    "        times 200 db 0",
    "section .data",
    "section .bss",
    "%if COUNT > 12",
    "%endif",
    "        frob    eax",
    "        db      'abc",
  ],
};

/** All that comes out. */
function outcome({ assembled, write }: { assembled: AssembleResult; write: typeof writeElfObject }) {
  const { diagnostics, sections, symbols, lines } = assembled;
  const errors = diagnostics.some(({ severity }) => severity === "error");
  return { diagnostics, sections, symbols, lines, file: errors ? undefined : write(assembled, true, { debug: true }) };
}

describe.each<Dialect>(["gas", "nasm"])("%s, edited", (dialect) => {
  const start = plausible(dialect).slice(0, LINES);
  const edit = fc.tuple(
    fc.nat(LINES - 1),
    fc.oneof(
      fc.constantFrom(...NEW_LINES[dialect]),
      fc.nat(LINES - 1).map((i) => start[i]!),
    ),
    fc.constantFrom("replace", "insert", "delete"),
  );

  it("comes out as if it was new", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 12 }), async (changes) => {
        const lines = [...start];
        const source = () => ({ uri: "a", text: lines.join("\n") });
        for (const [at, line, how] of changes) {
          if (how === "delete") lines.splice(at, 1);
          else lines.splice(at, how === "insert" ? 0 : 1, line);
          assemble(source(), { dialect });
        }
        vi.resetModules();
        const fresh = await import("../../src/asmlang/index.ts");
        expect(outcome({ assembled: assemble(source(), { dialect }), write: writeElfObject })).toEqual(
          outcome({ assembled: fresh.assemble(source(), { dialect }), write: fresh.writeElfObject }),
        );
      }),
      { numRuns: RUNS },
    );
  }, 300_000);
});
