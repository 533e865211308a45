/**
 * Sources that make much of little: each is assembled and written in every format, or refused with a message that says what is
 * too much and where, in bounded time. The columns are: name, file, text, expected diagnostic ("" for none).
 */
import { describe, expect, it } from "vitest";
import {
  assemble,
  link,
  writeElfExecutable,
  writeElfObject,
  writeFlatBinary,
  writeListing,
} from "../../src/asmlang/index.ts";

/** Processor time, in this process, on a machine that may be busy with other things. */
const MAX_SECONDS = 10;

const many = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("");
const LINES = "macros, repetitions and includes make more than 1000000 lines";
const STATEMENTS = "macros, repetitions and includes make more than 200000 statements";
const TEXT = "macros and repetitions make more than 15000000 characters";
const BYTES = "all sections together are larger than 268435456 bytes";
const STEPS = "this takes too long: expressions, macros and layout take more than 6000000 steps";
const EXPRESSION = "this expression is too large: it has too many operations, or symbols in symbols";
const DEEP = "this expression is nested too deeply";
const LEVELS = "macros and includes are nested more than 250 deep";
const MACRO = "this macro expands to too much text";

const FILES: Readonly<Record<string, string>> = {
  "loop.inc": '.include "loop.inc"\n',
  "loop.h": '#include "loop.h"\n',
  "loop.asm": '%include "loop.asm"\n',
  "twice.inc": ' .include "twice.inc"\n .include "twice.inc"\n',
  "lines.inc": "nop\n".repeat(1000),
};

type Case = readonly [name: string, uri: string, text: string, expected: string];

const GROWTH: readonly Case[] = [
  ["gas: a macro in itself", "a.s", " .macro m\n m\n .endm\n m\n", `2:2 ${LEVELS}`],
  ["gas: a file in itself", "a.s", ' .include "loop.inc"\n', `1:10 ${LEVELS}`],
  ["gas: a file twice in itself", "a.s", ' .include "twice.inc"\n', `1:11 ${LEVELS}`],
  ["gas: a file in a repetition", "a.s", ' .rept 10000\n .include "lines.inc"\n .endr\n', `601:1 ${STATEMENTS}`],
  ["cpp: a file in itself", "a.S", '#include "loop.h"\n', "1:1 includes are nested more than 64 deep"],
  ["nasm: a file in itself", "a.asm", '%include "loop.asm"\n', `1:10 ${LEVELS}`],
  ["nasm: a file in a repetition", "a.asm", '%rep 10000\n%include "lines.inc"\n%endrep\n', `3:1 ${LINES}`],
  ["nasm: a macro in itself", "a.asm", "%rmacro m 0\n m\n%endmacro\n m\n", `2:2 ${LEVELS}`],
  ["nasm: an argument that doubles", "a.asm", "%rmacro a 1+\n a {%1,%1}\n%endmacro\n a 1\n", `2:8 ${TEXT}`],
  [
    "gas: repetitions in repetitions",
    "a.s",
    " .rept 1000\n .rept 1000\n .rept 1000\n nop\n .endr\n .endr\n .endr\n",
    `4:2 ${STATEMENTS}`,
  ],
  [
    "gas: .irp in .irp",
    "a.s",
    `${" .irp a,1,2,3,4,5,6,7,8,9,10\n".repeat(8)} .byte \\a\n${" .endr\n".repeat(8)}`,
    `10:2 ${STATEMENTS}`,
  ],
  ["gas: a large repetition", "a.s", " .rept 100000000\n nop\n .endr\n", `1:2 ${LINES}`],
  ["gas: empty repetitions", "a.s", " .rept 150000\n .rept 400000\n .endr\n .endr\n", `2:2 ${LINES}`],
  [
    "gas: lines that are left",
    "a.s",
    " .macro m\n .rept 400000\n .exitm\n .endr\n .endm\n .rept 100000\n m\n .endr\n",
    `2:2 ${LINES}`,
  ],
  [
    "gas: a name of a million characters, one by one",
    "a.s",
    ` .irpc c,${"a".repeat(1_000_000)}\n .byte 1\n .endr\n`,
    `1:2 ${LINES}`,
  ],
  [
    "gas: twice the rest at every level",
    "a.s",
    ' .macro m first, rest:vararg\n .ascii "\\first"\n m \\rest m \\rest\n .endm\n m a, b, c\n',
    `3:2 ${TEXT}`,
  ],
  [
    "gas: the same with bare names",
    "a.s",
    " .altmacro\n .macro m rest:vararg\n m rest rest\n .endm\n m a b\n",
    `3:2 ${TEXT}`,
  ],
  [
    "gas: a long argument many times",
    "a.s",
    ` .macro m x\n .byte ${"\\x+".repeat(3000)}0\n .endm\n m "${"1+".repeat(50_000)}1"\n`,
    `4:2 ${TEXT}`,
  ],
  ["nasm: repetitions in repetitions", "a.asm", "%rep 1000000\n%rep 1000000\n nop\n%endrep\n%endrep\n", `3:2 ${LINES}`],
  ["nasm: empty repetitions", "a.asm", "%rep 1000000\n%rep 1000000\n%endrep\n%endrep\n", `2:1 ${LINES}`],
  ["nasm: contexts without end", "a.asm", "%rep 1000000\n%push a\n%define %$x 1\n%endrep\n", `2:1 ${LINES}`],
  [
    "nasm: a repetition that is too large by itself",
    "a.asm",
    "%rep 10000000\n nop\n%endrep\n",
    "1:1 '%rep' of 10000000 times; at most 1000000 are done",
  ],
  [
    "nasm: words in words",
    "a.asm",
    `${many(8, (i) => `%define a${i}${` a${i + 1}`.repeat(8)}\n`)}db a0\n`,
    `9:4 ${MACRO}`,
  ],
  [
    "nasm: strings in strings",
    "a.asm",
    "%define s 'ab'\n%rep 100\n%strcat s s, s\n%endrep\n",
    "3:1 a macro makes a text of more than 1000000 characters",
  ],
  ["nasm: sums in sums", "a.asm", "%define x 1\n%rep 100000\n%xdefine x x+x\n%endrep\n", `3:14 ${MACRO}`],
  [
    "nasm: a long text again and again",
    "a.asm",
    `%define s "${"a".repeat(900_000)}"\n%rep 3000\n%strlen n s\n%endrep\n`,
    `3:11 ${TEXT}`,
  ],
  ["nasm: arguments without end", "a.asm", `%define f(x) x\n dd ${"f( ".repeat(50_000)}\n`, `2:126 ${STEPS}`],
  [
    "nasm: arguments that rotate",
    "a.asm",
    `%macro m 1-*\n%rep %0\n db %1\n%rotate 1\n%endrep\n%endmacro\n m ${"1,".repeat(20_000)}1\n`,
    "",
  ],
  ["nasm: macros of one name", "a.asm", many(10_000, (i) => `%macro m ${i}\n%endmacro\n`), `6929:1 ${STEPS}`],
  [
    "cpp: sums in sums",
    "a.S",
    `#define A0 1+1\n${many(60, (i) => `#define A${i + 1} A${i}+A${i}\n`)} .long A60\n`,
    `62:8 ${MACRO}`,
  ],
  [
    "cpp: macros of macros",
    "a.S",
    "#define F(x) x x\n#define G(x) F(F(x)) F(F(x))\n#define H(x) G(G(G(x)))\n .long H(H(H(1)))\n",
    `4:8 ${MACRO}`,
  ],
  [
    "cpp: arguments in arguments",
    "a.S",
    `#define F(x) x\n .long ${"F(".repeat(2000)}1${")".repeat(2000)}\n`,
    "2:8 macros are nested too deeply here",
  ],
  ["cpp: arguments without end", "a.S", `#define F(x) x\n .long ${"F( ".repeat(20_000)}\n`, `2:2 ${STEPS}`],
  ["cpp: arguments over many lines", "a.S", `#define F(x) x\n .byte 1 F(\n${"+1\n".repeat(20_000)})\n`, ""],
];

const SIZE: readonly Case[] = [
  [
    "gas: much space",
    "a.s",
    " .fill 0x7fffffffffffffff,8,1\n",
    "1:8 this makes 73786976294838206456 bytes; a section may have 67108864",
  ],
  [
    "gas: far away",
    "a.s",
    " nop\n .org 1<<62\n",
    "2:7 this makes 4611686018427387903 bytes; a section may have 67108864",
  ],
  [
    "gas: far away and aligned",
    "a.s",
    " .bss\n .org 0x7fffffffffffffff\n .balign 16\n",
    "2:7 this makes 9223372036854775807 bytes; a section may have 140737488355328",
  ],
  ["gas: space again and again", "a.s", " .rept 200000\n .space 60000000\n .endr\n", `2:2 ${BYTES}`],
  ["gas: space in many sections", "a.s", many(100, (i) => ` .section s${i}\n .space 60000000\n`), `10:2 ${BYTES}`],
  ["gas: a file's bytes again and again", "a.s", ' .rept 200000\n .incbin "million"\n .endr\n', `2:2 ${BYTES}`],
  [
    "gas: a large alignment",
    "a.s",
    " nop\n .balign 0x40000000\n",
    "2:2 this makes 1073741823 bytes; a section may have 67108864",
  ],
  ["gas: a large alignment that needs nothing", "a.s", " .data\n .balign 0x40000000\n nop\n", ""],
  [
    "nasm: much space",
    "a.asm",
    "section .bss\nresb 0x7fffffffffffffff\n",
    "2:6 this makes 9223372036854775807 bytes; a section may have 140737488355328",
  ],
  ["nasm: a statement many times", "a.asm", "times 400000 mov eax, [x]\nx:\n", `1:1 ${STATEMENTS}`],
  ["nasm: almost too many statements", "a.asm", "times 199999 mov eax, [x]\nx:\n", ""],
  ["nasm: many times many times", "a.asm", "times 400000000 times 4000000 db 1\n", ""],
  ["nasm: a fill many times", "a.asm", "%rep 200000\n times 60000000 db 1\n%endrep\n", `2:2 ${BYTES}`],
  ["nasm: duplicates of duplicates", "a.asm", "dw 1000 dup (1000 dup (1000 dup (?)))\n", `1:4 ${BYTES}`],
  ["nasm: duplicates of nothing", "a.asm", "db 1000000 dup (1000000 dup (1000000 dup (0 dup (1))))\n", ""],
  ["nasm: duplicates of addresses", "a.asm", "dd 1000 dup (1000 dup (x))\nx:\n", `1:14 ${STATEMENTS}`],
  [
    "nasm: deep duplicates",
    "a.asm",
    `db ${"2 dup (".repeat(30)}1${")".repeat(30)}\n`,
    "1:67 'dup' is nested more than 8 deep",
  ],
  ["nasm: an origin at the end of everything", "a.asm", "org 0x7fffffffffffffff\nalign 16\ndb 1\n", ""],
];

const EXPRESSIONS: readonly Case[] = [
  ["gas: parentheses", "a.s", ` .long ${"(".repeat(500_000)}1\n`, `1:209 ${DEEP}`],
  ["gas: signs", "a.s", ` .long ${"-".repeat(500_000)}1\n`, `1:209 ${DEEP}`],
  ["gas: a long sum", "a.s", ` .long ${"1+".repeat(40_000)}1\n`, ""],
  ["gas: a longer sum", "a.s", ` .long ${"1+".repeat(500_000)}1\n`, `1:8 ${EXPRESSION}`],
  ["gas: a long sum of symbols", "a.s", ` .long ${"x+".repeat(500_000)}1\nx = 1\n`, `1:8 ${EXPRESSION}`],
  [
    "gas: symbols that double",
    "a.s",
    ` x0 = y\n${many(30, (i) => ` x${i + 1} = x${i} + x${i}\n`)} .long x30\n y = 1\n`,
    `12:8 ${EXPRESSION}`,
  ],
  ["gas: a symbol that grows", "a.s", " x = y\n .rept 100000\n x = x + 1\n .endr\n .long x\n y = 1\n", `3:6 ${STEPS}`],
  ["gas: a distance that grows", "a.s", "s:\n .rept 40000\n .space 1\n .long . - s\n .endr\n", ""],
  ["gas: a large number", "a.s", ` .long ${"9".repeat(1_000_000)}\n`, ""],
  ["nasm: parentheses", "a.asm", ` dd ${"(".repeat(500_000)}1\n`, `1:205 ${DEEP}`],
  ["nasm: a long sum of symbols", "a.asm", ` dd ${"x+".repeat(500_000)}1\nx:\n`, `1:5 ${EXPRESSION}`],
  [
    "nasm: symbols that double",
    "a.asm",
    `${many(30, (i) => `x${i} equ x${i + 1} + x${i + 1}\n`)}x30 equ 1\ndd x0\n`,
    `29:15 ${EXPRESSION}`,
  ],
  ["nasm: symbols of symbols", "a.asm", `${many(900, (i) => `x${i} equ x${i + 1} + 1\n`)}x900 equ 1\ndd x0\n`, ""],
  [
    "nasm: symbols of symbols of symbols",
    "a.asm",
    `${many(2000, (i) => `x${i} equ x${i + 1} + 1\n`)}x2000 equ 1\ndd x0\n`,
    `1001:11 ${EXPRESSION}`,
  ],
];

const LAYOUT: readonly Case[] = [
  ["gas: every jump to another label", "a.s", many(50_000, (i) => `l${i}: jmp l${(i * 7919) % 50_000}\n`), ""],
  ["nasm: every jump to another label", "a.asm", many(50_000, (i) => `l${i}: jmp l${(i * 7919) % 50_000}\n`), ""],
  [
    "gas: jumps that grow one by one",
    "a.s",
    `${many(5000, (i) => `l${i}: jmp l${i + 21}\n .space 4\n`)}${many(22, (i) => `l${5000 + i}:\n`)}`,
    "",
  ],
  [
    "gas: numbers as long as their distance",
    "a.s",
    `${many(20_000, (i) => `l${i}: .uleb128 l${i + 1} - l0\n`)}l20000:\n`,
    "",
  ],
  [
    "gas: sizes of themselves",
    "a.s",
    many(12_000, (i) => `c${i}: .space d${i} - c${i} + 1\nd${i}:\n`),
    `14371:15 ${STEPS}`,
  ],
  [
    "gas: far branches and alignments",
    "a.s",
    `${many(20_000, (i) => ` jmp e${i >> 6}\n .p2align 4\n${i % 64 === 63 ? `e${i >> 6}:\n` : ""}`)}e312:\n`,
    "",
  ],
  ["gas: many sections", "a.s", many(20_000, (i) => ` .section s${i}\n nop\n`), ""],
  ["gas: many functions", "a.s", many(20_000, () => " .cfi_startproc\n nop\n .cfi_endproc\n"), ""],
];

const UNFINISHED: readonly Case[] = [
  ["gas: .if", "a.s", " .if 1\n".repeat(300_000), "1:2 this '.if' has no '.endif'"],
  ["gas: .macro", "a.s", " .macro m\n".repeat(300_000), "1:9 this '.macro' has no '.endm'"],
  ["gas: .rept", "a.s", " .rept 2\n".repeat(300_000), "1:2 this '.rept' has no '.endr'"],
  ["gas: a string", "a.s", ` .ascii "${"a".repeat(1_000_000)}\n`, "1:9 unterminated string"],
  ["gas: strings", "a.s", ' .ascii "a\n'.repeat(300_000), "1:9 unterminated string"],
  ["gas: a comment", "a.s", ` nop\n ${"/* ".repeat(300_000)}\n`, ""],
  ["cpp: #if", "a.S", "#if 1\n".repeat(300_000), "1:1 this #if has no #endif"],
  ["cpp: an argument", "a.S", `#define F(x) x\n F(\n${" a\n".repeat(20_000)}`, "2:7 expected ')'"],
  ["nasm: %if", "a.asm", "%if 1\n".repeat(300_000), "300000:1 this '%if' has no '%endif'"],
  ["nasm: %macro", "a.asm", "%macro m 0\n".repeat(300_000), "1:1 this '%macro' has no end"],
  ["nasm: %rep", "a.asm", "%rep 2\n".repeat(300_000), "1:1 this '%rep' has no end"],
  ["nasm: strings", "a.asm", ` db ${"'\"`".repeat(300_000)}\n`, "1:9 unexpected '\"`'"],
];

const LONG: readonly Case[] = [
  ["gas: values", "a.s", ` .byte ${"1,".repeat(500_000)}1\n`, ""],
  ["gas: addresses", "a.s", ` .long ${"x,".repeat(300_000)}1\n`, ""],
  ["gas: statements", "a.s", `${"nop;".repeat(250_000)}\n`, ""],
  ["gas: strings side by side", "a.s", ` .ascii ${'"a" '.repeat(200_000)}\n`, ""],
  ["gas: a string", "a.s", ` .ascii "${"a".repeat(4_000_000)}"\n`, ""],
  ["gas: slashes", "a.s", ` .long 1${"/1".repeat(20_000)}\n`, ""],
  ["gas: words in one argument", "a.s", ` .macro m x\n .endm\n m (${"a ".repeat(500_000)})\n`, ""],
  ["gas: characters in a macro", "a.s", ` .macro m x\n .byte ${"'\\x,".repeat(100_000)}0\n .endm\n m 1\n`, ""],
  [
    "gas: names in a macro",
    "a.s",
    ` .macro m x\n .long \\${"y.".repeat(500_000)}\n .endm\n m 1\n`,
    "2:8 expected an expression, not '\\'",
  ],
  ["gas: parameters", "a.s", ` .macro m ${many(50_000, (i) => `a${i},`)}z\n .endm\n m ${"1,".repeat(50_000)}1\n`, ""],
  [
    "gas: operands",
    "a.s",
    ` mov ${"%eax,".repeat(200_000)}%eax\n`,
    '1:2 invalid combination of opcode and operands; "mov" takes',
  ],
  ["gas: a mnemonic", "a.s", `${"a".repeat(1_000_000)}\n`, `1:1 unknown instruction "${"a".repeat(279)}...`],
  ["nasm: values", "a.asm", ` db ${"1,".repeat(300_000)}1\n`, ""],
  ["nasm: a string", "a.asm", ` db '${"a".repeat(4_000_000)}'\n`, ""],
  ["nasm: escapes", "a.asm", ` db \`${"\\n".repeat(1_000_000)}\`\n`, ""],
  ["nasm: one argument", "a.asm", `%macro m 1\n db %1\n%endmacro\n m {${"1,".repeat(200_000)}1}\n`, ""],
  ["nasm: lines that go on", "a.asm", "nop \\\n".repeat(200_000), "1:9 unexpected 'nop'"],
  [
    "either: a source that is too large",
    "a.asm",
    `;${" ".repeat(16 * 1024 * 1024)}`,
    "1:1 the source is larger than 16777216 characters",
  ],
  ["either: a source of too many lines", "a.s", "\n".repeat(3_000_000), "1:1 the source has more than 2000000 lines"],
];

function check([name, uri, text, expected]: Case): void {
  const started = process.cpuUsage();
  const result = assemble(
    { uri, text },
    {
      dialect: "auto",
      include: (file) => (FILES[file] === undefined ? undefined : { uri: file, text: FILES[file]! }),
      includeBytes: () => new Uint8Array(1_000_000),
    },
  );
  const errors = result.diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length === 0) {
    writeElfObject(result, true, { debug: true });
    writeFlatBinary(result);
    writeElfExecutable(link([result]));
    writeListing(result, new Map());
  }
  const seconds = process.cpuUsage(started).user / 1e6;
  const [first] = errors;
  const shown = first ? `${first.range.line + 1}:${first.range.column + 1} ${first.message}` : "";
  if (process.env.LIMIT_TIMES) console.log(`${seconds.toFixed(2)} s ${name}: ${shown.slice(0, 120)}`);
  expect(expected === "" ? shown : shown.slice(0, expected.length)).toBe(expected);
  expect(seconds).toBeLessThan(MAX_SECONDS);
}

describe.each<[string, readonly Case[]]>([
  ["what grows", GROWTH],
  ["what is large", SIZE],
  ["expressions", EXPRESSIONS],
  ["layout", LAYOUT],
  ["without an end", UNFINISHED],
  ["long lines", LONG],
])("%s", (_, cases) => {
  it.each(cases.map((one) => [one[0], one] as const))("%s", (_, one) => check(one), 120_000);
});

describe("what is not too much", () => {
  const messages = (uri: string, text: string) =>
    assemble({ uri, text }, { dialect: "auto" }).diagnostics.map((one) => one.message);

  it("does not expand again what cannot be joined", () => {
    const found = messages("a.asm", "%define r 1\n3\u25d3 r\n");
    expect(found.length).toBeGreaterThan(0);
    expect(found.join()).not.toContain("too much text");
  });

  it("leaves macros that name themselves", () => {
    expect(messages("a.S", "#define A A A\n#define B A B\nB\n").length).toBeGreaterThan(0);
  });
});
