/** Diagnostics: which message, at which place, and that the next problem is found too. */
import { describe, expect, it } from "vitest";
import { assemble } from "../../src/asmlang/index.ts";
import type { AssembleOptions, Diagnostic } from "../../src/asmlang/types.ts";

const files: Readonly<Record<string, string>> = {
  "bad.inc": "nop\n frob\n",
};

function check(uri: string, text: string, options: Partial<AssembleOptions> = {}): Diagnostic[] {
  const include = (name: string) => (files[name] === undefined ? undefined : { uri: name, text: files[name] });
  return [...assemble({ uri, text }, { dialect: "auto", include, ...options }).diagnostics];
}

/** line:column-column text, all counted from one. */
const shown = (list: readonly Diagnostic[]) =>
  list.map(
    ({ severity, message, range }) =>
      `${range.line + 1}:${range.column + 1}-${range.endColumn + 1} ${severity === "error" ? "" : "warning: "}${message}`,
  );

describe("GNU diagnostics", () => {
  const gas = (text: string) => shown(check("a.s", text));

  it.each<[string, string[]]>([
    [
      " mov %eax\n frob %ebx\n nop\n .bogus 1\n",
      ["1:2-5 ", '2:2-6 unknown instruction "frob"', "4:2-8 unknown directive '.bogus'"],
    ],
    ["a: nop\na: nop\n", ["2:1-2 symbol 'a' is already defined"]],
    [" mov $1, %exx\n", ["1:10-14 there is no register %exx"]],
    [" mov (%eax, %ebx\n", ["1:17-17 expected ')' after the address"]],
    [" .byte 300\n", ["1:8-11 warning: value 0x12c is truncated to 0x2c"]],
    [" jmp 1b\n jmp 1f\n", ["1:6-8 there is no label '1:' before this", "2:6-8 there is no label '1:' after this"]],
    [" .if 1\n nop\n", ["1:2-7 this '.if' has no '.endif'"]],
    [" .endif\n .else\n", ["1:2-8 '.endif' without '.if'", "2:2-7 '.else' without '.if'"]],
    [" .macro m\n nop\n", ["1:9-10 this '.macro' has no '.endm'"]],
    [" .macro m x:req\n nop\n .endm\n m\n", ["4:3-3 macro 'm' needs a value for 'x'"]],
    [' .ascii "abc\n', ["1:9-13 unterminated string"]],
    [' .error "stop"\n .warning "careful"\n', ["1:2-15 stop", "2:2-20 warning: careful"]],
    [' .include "none.inc"\n', ["1:11-21 cannot find include file 'none.inc'"]],
    [" .if later\n .endif\n later = 1\n", ["1:6-11 symbol 'later' is not defined, but its value is needed here"]],
    [" .org 10\n .org 5\n", ["2:7-8 attempt to move '.org' backwards, from 10 to 5"]],
    [" loop x\n .skip 300\nx:\n", ["1:7-8 target is out of range: 300 does not fit in a 8-bit displacement"]],
    [" .fill 1000000000, 8\n", ["1:8-18 this makes 8000000000 bytes; a section may have 67108864"]],
    [" x = y\n y = x\n .long x\n", ["2:6-7 'y' is defined in terms of itself"]],
    [" .rept 3\n frob\n .endr\n", ['2:2-6 unknown instruction "frob"']],
    [
      " .cfi_endproc\n .cfi_startproc\n",
      ["1:2-14 '.cfi_endproc' without '.cfi_startproc'", "2:2-16 this '.cfi_startproc' has no '.cfi_endproc'"],
    ],
  ])("%j", (text, expected) => {
    const found = gas(text);
    expect(found.length, found.join("\n")).toBe(expected.length);
    for (const [i, one] of expected.entries()) expect(found[i]!.startsWith(one), `${found[i]} / ${one}`).toBe(true);
  });

  it("shows the way into a macro and an included file", () => {
    const [inMacro, inFile] = check(
      "a.s",
      ' .macro m a\n mov \\a, %zax\n .endm\n .macro n\n m $1\n .endm\n n\n .include "bad.inc"\n',
    );
    expect(shown([inMacro!])).toEqual(["2:10-14 there is no register %zax"]);
    expect(inMacro!.related!.map((one) => [one.message, one.range.line + 1])).toEqual([
      ["in this use of macro 'm'", 5],
      ["in this use of macro 'n'", 7],
    ]);
    expect(inFile!.range).toMatchObject({ uri: "bad.inc", line: 1, column: 1, endColumn: 5 });
    expect(inFile!.related).toMatchObject([{ message: "included from here", range: { uri: "a.s", line: 7 } }]);
  });

  it("shows the first definition", () => {
    const [first] = check("a.s", "a: nop\n nop\na: nop\n");
    expect(first!.related).toMatchObject([{ range: { line: 0, column: 0, endColumn: 1 } }]);
  });

  it("reports preprocessor problems of .S files", () => {
    const found = shown(
      check(
        "a.S",
        '#define F(a,b) a+b\n.byte F(1)\n#if 1 +\n#endif\n#error no good\n#include "no.h"\n#else\n#ifdef X\n',
      ),
    );
    expect(found).toEqual([
      "2:7-11 macro 'F' takes 2 arguments, not 1",
      "3:4-8 #if: expected an expression",
      "5:1-15 #error no good",
      "6:1-16 cannot find include file 'no.h'",
      "7:1-6 #else without #if",
      "8:1-9 this #if has no #endif",
    ]);
  });
});

describe("NASM diagnostics", () => {
  const nasm = (text: string) => shown(check("a.asm", text));

  it.each<[string, string[]]>([
    ["mov eax\nfrob ebx\nnop\n", ["1:1-4 ", "2:1-5 'frob' is not an instruction, directive or macro"]],
    ["a: nop\na: nop\n", ["2:1-2 symbol 'a' is already defined"]],
    ["mov eax, [ebx\n", ["1:11-14 this address has no ']'"]],
    ["jmp nowhere\n", ["1:5-12 symbol 'nowhere' is not defined"]],
    ["db 1, 2 +\n", ["1:10-10 expected an expression"]],
    ["db 300\n", ["1:4-7 warning: value 300 does not fit in a byte"]],
    ["dd 1 / 0\n", ["1:8-9 division by zero"]],
    ["rett\n", ["1:1-5 warning: label 'rett' stands alone without a colon: is it a mistyped instruction?"]],
    ["%if 1\nnop\n", ["1:1-4 this '%if' has no '%endif'"]],
    [
      "%endif\n%else\n%bogus\n",
      ["1:1-7 '%endif' without '%if'", "2:1-6 '%else' without '%if'", "3:1-7 unknown preprocessor directive '%bogus'"],
    ],
    ["%macro m 1\nnop\n", ["1:1-7 this '%macro' has no end"]],
    [
      "%macro m 1\n nop\n%endmacro\nm 1, 2\n",
      [
        "4:1-2 warning: macro 'm' exists, but not with this number of parameters",
        "4:1-2 'm' is not an instruction, directive or macro",
      ],
    ],
    ['%error "stop"\n%warning careful now\n', ["1:1-7 stop", "2:1-9 warning: careful now"]],
    ["%fatal enough\nfrob\n", ["1:1-7 enough"]],
    ["times -1 db 0\n", ["1:7-9 'times' of a negative number (-1)"]],
    ["times 100000000000 db 0\n", ["1:7-19 this makes 1215752192 bytes; a section may have 67108864"]],
    ["global nothing\n", ["1:8-15 warning: global symbol 'nothing' is not defined"]],
    [
      "x equ y\ny equ x\ndd x\n",
      ["2:7-8 'x' is defined in terms of itself", "1:7-8 'y' is defined in terms of itself"],
    ],
    ["%include 'none.inc'\n", ["1:10-20 cannot find include file 'none.inc'"]],
    ["mov eax, [rax*3 + rbx*2]\n", ["1:10-25 only one register of an address can have a scale"]],
    ["lea eax, [eax + ebx + ecx]\n", ["1:23-26 an address has at most two registers"]],
    ["align 3\n", ["1:7-8 the alignment must be a power of two"]],
    ["bits 17\n", ["1:1-5 'bits' must be 16, 32 or 64"]],
    ["%rep 10000000\nnop\n%endrep\n", ["1:1-5 '%rep' of 10000000 times; at most 1000000 are done"]],
  ])("%j", (text, expected) => {
    const found = nasm(text);
    expect(found.length, found.join("\n")).toBe(expected.length);
    for (const [i, one] of expected.entries()) expect(found[i]!.startsWith(one), `${found[i]} / ${one}`).toBe(true);
  });

  it("shows the way into nested macros", () => {
    const [error] = check(
      "a.asm",
      "%macro inner 1\n mov eax, %1, %1\n%endmacro\n%macro outer 1\n inner %1\n%endmacro\n nop\n outer 5\n",
    );
    expect(error!.range.line).toBe(1);
    expect(error!.related!.map((one) => [one.message, one.range.line + 1])).toEqual([
      ["in this use of macro 'inner'", 5],
      ["in this use of macro 'outer'", 8],
    ]);
  });
});

describe("limits", () => {
  it("stops after a hundred problems", () => {
    const found = check("a.s", " frob\n".repeat(1000));
    expect(found.length).toBe(101);
    expect(found.at(-1)!.message).toContain("more than 100 problems");
  });
});

describe("dialects", () => {
  it("says when the file is written in the other one", () => {
    const gas = '.globl _start\n_start:\n mov $1, %eax\n movl $text, %ecx\n int $0x80\n .data\ntext: .ascii "x"\n';
    const nasm = "global _start\nsection .text\n_start: mov eax, 1\n int 0x80\nsection .data\nx: db 'x', 10\n";
    expect(check("a.asm", gas)[0]!.message).toContain("looks like GNU assembler source");
    expect(check("a.s", nasm)[0]!.message).toContain("looks like NASM source");
    expect(check("a.s", gas)).toEqual([]);
    expect(check("a.asm", nasm)).toEqual([]);
  });

  it("takes the dialect from the name, or the first line", () => {
    const dialect = (uri: string, text: string) => assemble({ uri, text }, { dialect: "auto" }).dialect;
    expect(dialect("a.s", "nop")).toBe("gas");
    expect(dialect("a.asm", "nop")).toBe("nasm");
    expect(dialect("a.asm", "; dialect: gas\nnop")).toBe("gas");
    expect(dialect("untitled:1", "section .text\nglobal a\na: db 1")).toBe("nasm");
    expect(dialect("untitled:1", ".text\n.globl a\na: .byte 1")).toBe("gas");
  });
});
