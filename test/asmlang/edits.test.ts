/**
 * What the assembler remembers from one run to the next changes nothing: after any edits a source comes out as it does in an
 * assembler that has seen nothing before.
 */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import * as edited from "../../src/asmlang/index.ts";
import type { AssembleOptions, AssembleResult, Dialect, SourceText } from "../../src/asmlang/types.ts";
import { edits, plausible } from "../bench/edited.ts";

const LINES = 300;
const RUNS = 15;
/** Where the functions begin. */
const FIRST = 24;

const { assemble } = edited;

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
    "	.set	fresh, 5",
    "counter = 4",
    "print:	ret",
    "1:",
    "1:	nop",
    "	jmp	1b",
    "	jne	1f",
    "fresh:	jmp	fresh",
    "	.weak	print",
    "	.globl	fresh",
    "	call	print@PLT",
    "	movq	fresh@GOTPCREL(%rip), %rax",
    "	.long	fresh - print, .",
    "	.quad	fresh + 4, COUNT, print",
    "	mov	eax, COUNT",
    "	mov	eax, fresh",
    "	lea	rax, [rip + fresh + 4]",
    "	cmp	dword ptr [rbx + fresh], LIMIT - 1",
    "	.struct	0",
    "point:	.long	0",
    "	movl	point(%rbx), %eax",
    "	.eqv	COUNT, fresh",
    "	.weakref	fresh, print",
    "	.macro	enter_frame size",
    "	.purgem	enter_frame",
    "	.rept	3",
    "	.endr",
    "	.loc	1 7",
    '	.file	1 "other.c"',
    '	.include	"included"',
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
    "fresh   equ     5",
    "fresh:  jmp     fresh",
    ".next:",
    ".next:  jmp     .next",
    "        jmp     .next",
    "%assign COUNT 3",
    "%define LIMIT fresh",
    "%define rcx rdx",
    "%idefine Table0 5",
    "%define print nop",
    "%macro  enter_frame 1",
    "%unmacro enter_frame 1",
    "%rep 3",
    "%endrep",
    "        dd      fresh - print, $",
    "        dq      fresh + 4, COUNT, print",
    "        times 3 dd fresh",
    "        times fresh - print nop",
    "        mov     eax, fresh",
    "        lea     rax, [fresh + rbx*4 + COUNT]",
    "struc point",
    ".x:     resd    1",
    "endstruc",
    "        mov     eax, [rdi + point.x]",
    "%use masm",
    "        mov     eax, dword ptr fresh",
    "        mov     rax, [rel fresh wrt ..got]",
    "[bits 32]",
    "align 32",
    "absolute 100",
    '%include "included"',
  ],
};

/** What a file that is included may hold. */
const INCLUDED: Readonly<Record<Dialect, readonly string[]>> = {
  gas: ["", "	.set	COUNT, 3\n	movl	$COUNT, %ecx\n", "	movl	counter(%rip), %eax\nfresh:	nop\n"],
  nasm: ["", "%define COUNT 3\n        mov     ecx, COUNT\n", "        mov     eax, [counter]\nfresh:  nop\n"],
};

/** The first functions of the plausible program, and the others in short, so that nothing is missing. */
function whole(dialect: Dialect): string[] {
  const all = plausible(dialect);
  const ends = all.flatMap((line, i) => (/^[;#] function/.test(line) && i <= LINES ? [i] : []));
  const lines = all.slice(0, ends.at(-1));
  const missing = Array.from({ length: 100 }, (_, i) => `sum${i}:`).filter((label) => !lines.includes(label));
  return [...lines, ...missing.map((label) => `${label} ret`)];
}

/** Lines that change no meaning of others, wherever they stand. */
const HARMLESS: Readonly<Record<Dialect, readonly string[]>> = {
  gas: [
    "",
    "# a remark",
    "	.balign	4",
    "	movl	counter(%rip), %eax",
    "	cmpl	$LIMIT - COUNT, %eax",
    "	enter_frame	48",
    "	call	print",
    "	.fill	3, 1, 7",
    "	.long	COUNT, table0 - total0",
  ],
  nasm: [
    "",
    "; a remark",
    "        align   4",
    "        mov     eax, [counter]",
    "        cmp     eax, LIMIT - COUNT",
    "        enter_frame 48",
    "        enter_frame COUNT",
    "        call    print",
    "        times 3 db 7",
    "        dd      COUNT, print",
  ],
};

/** All that comes out, with what is only made when it is asked for. */
function outcome({ assembled, writeElfObject }: Pick<typeof edited, "writeElfObject"> & { assembled: AssembleResult }) {
  const { diagnostics, symbols, lines, debug } = assembled;
  const errors = diagnostics.some(({ severity }) => severity === "error");
  const file = errors ? undefined : writeElfObject(assembled, true, { debug: true });
  const sections = assembled.sections.map((section) => ({
    ...section,
    relocations: section.relocations.map((relocation) => ({ ...relocation, range: relocation.range })),
  }));
  return { diagnostics, sections, symbols, lines, debug, file };
}

/** What the source comes to here, and in an assembler that has seen nothing before. */
async function both(source: SourceText, options: AssembleOptions) {
  vi.resetModules();
  const fresh = await import("../../src/asmlang/index.ts");
  const known = outcome({ assembled: assemble(source, options), ...edited });
  return { known, fresh: outcome({ assembled: fresh.assemble(source, options), ...fresh }) };
}

/** Of a source that is longer than this only what is met again is remembered. */
const LONG_ENOUGH = 200_000;
const REMARK = { gas: `\n# ${"-".repeat(98)}`, nasm: `\n; ${"-".repeat(98)}` };

describe.each<[Dialect, string, number]>([
  ["gas", "short", 0],
  ["nasm", "short", 0],
  ["gas", "long", LONG_ENOUGH],
  ["nasm", "long", LONG_ENOUGH],
])("%s, %s, edited", (dialect, _, length) => {
  const remarks = REMARK[dialect].repeat(length / 100);
  const start = plausible(dialect).slice(0, LINES);
  const edit = fc.tuple(
    fc.nat(LINES - 1),
    fc.oneof(
      fc.constantFrom(...NEW_LINES[dialect]),
      fc.nat(LINES - 1).map((i) => start[i]!),
    ),
    fc.constantFrom("replace", "insert", "delete"),
    fc.constantFrom(...INCLUDED[dialect]),
  );

  it("comes out as if it was new", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 12 }), async (changes) => {
        const lines = [...start];
        let included = "";
        const source = () => ({ uri: "a", text: lines.join("\n") + remarks });
        const options = { dialect, include: (uri: string) => ({ uri, text: included }) };
        for (const [at, line, how, file] of changes) {
          if (how === "delete") lines.splice(at, 1);
          else lines.splice(at, how === "insert" ? 0 : 1, line);
          included = file;
          assemble(source(), options);
        }
        const { known, fresh } = await both(source(), options);
        expect(known).toEqual(fresh);
      }),
      { numRuns: RUNS },
    );
  }, 300_000);
});

describe.each<Dialect>(["gas", "nasm"])("a whole program, %s, edited", (dialect) => {
  const start = whole(dialect);
  const kinds = edits(dialect);
  const edit = fc.oneof(
    fc.record({ kind: fc.constantFrom(...kinds) }),
    fc.record({ at: fc.integer({ min: FIRST, max: start.length }), line: fc.constantFrom(...HARMLESS[dialect]) }),
  );

  it("comes out as if it was new, and without an error", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 12 }), async (changes) => {
        const lines = [...start];
        const source = () => ({ uri: "a", text: lines.join("\n") });
        for (const [i, change] of changes.entries()) {
          if ("kind" in change) {
            const at = change.kind.at(lines);
            if (at >= 0) lines[at] = change.kind.line(i);
          } else lines.splice(change.at, 0, change.line);
          assemble(source(), { dialect });
        }
        const { known, fresh } = await both(source(), { dialect });
        expect(fresh.diagnostics).toEqual([]);
        expect(known).toEqual(fresh);
      }),
      { numRuns: RUNS },
    );
  }, 300_000);
});
