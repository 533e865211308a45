/** Programs of both dialects and widths, made into ELF files by us, run on this host's own kernel. */
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { elfNames } from "../../src/adapter/debug/elf-names.ts";
import { assemble, link, writeElfExecutable, writeElfObject } from "../../src/asmlang/index.ts";
import type { AssembleResult, Dialect } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import { inTemporaryFolder, run } from "./oracle.ts";

const GAS_64 = `
	.globl _start
_start:	mov $1, %eax
	mov $1, %edi
	lea text(%rip), %rsi
	mov $(end - text), %edx
	syscall
	movl counter, %edi
	addl $zeroed_size, %edi
	add zeroed, %edi
	mov $60, %eax
	syscall
	.section .rodata
text:	.ascii "Hello from gas, 64\\n"
end:
	.data
counter: .long 40
	.bss
zeroed:	.skip 2
	zeroed_size = . - zeroed
	.section .note.GNU-stack, "", @progbits
`;
const GAS_32 = `
	.code32
	.globl _start
_start:	movl $4, %eax
	movl $1, %ebx
	movl $text, %ecx
	movl $length, %edx
	int $0x80
	movl $1, %eax
	movl answer, %ebx
	int $0x80
	.data
text:	.string "Hello from gas, 32\\n"
	length = . - text - 1
	.balign 4
answer:	.long 42
`;
const NASM_64 = `
bits 64
default rel
global _start
section .text
_start: mov eax, 1
        mov edi, 1
        lea rsi, [text]
        mov edx, text.end - text
        syscall
        mov eax, 60
        mov edi, [answer]
        syscall
section .data
text:   db "Hello from nasm, 64", 10
.end:
answer: dd 42
`;
const NASM_32 = `
bits 32
global _start
_start: mov eax, 4
        mov ebx, 1
        mov ecx, text
        mov edx, length
        int 0x80
        mov eax, 1
        mov ebx, [answer]
        int 0x80
section .rodata
text:   db \`Hello from nasm, 32\\n\`
length  equ $ - text
section .data align=4096
answer: dd 42
section .bss
space:  resb 100000
`;
const PROGRAMS: readonly (readonly [string, Dialect, 32 | 64, string])[] = [
  ["gas, 64", "gas", 64, GAS_64],
  ["gas, 32", "gas", 32, GAS_32],
  ["nasm, 64", "nasm", 64, NASM_64],
  ["nasm, 32", "nasm", 32, NASM_32],
];

function assembled(dialect: Dialect, bits: 32 | 64, text: string): AssembleResult {
  const result = assemble({ uri: `file:///a.${dialect === "gas" ? "s" : "asm"}`, text }, { dialect, bits });
  expect(result.diagnostics).toEqual([]);
  expect(result.bits).toBe(bits);
  return result;
}

function execute(folder: string, name: string) {
  const done = spawnSync(path.join(folder, name), { encoding: "utf8" });
  return { output: done.stdout, status: done.status, signal: done.signal };
}

describe.runIf(process.platform === "linux" && process.arch === "x64")("run natively", () => {
  it.each(PROGRAMS)("executable: %s", (name, dialect, bits, text) => {
    const image = link([assembled(dialect, bits, text)]);
    expect(image.diagnostics).toEqual([]);
    inTemporaryFolder((folder) => {
      const bytes = writeElfExecutable(image);
      writeFileSync(path.join(folder, "a"), bytes);
      chmodSync(path.join(folder, "a"), 0o755);
      expect(execute(folder, "a")).toEqual({ output: `Hello from ${name}\n`, status: 42, signal: null });
      const symbols = new Map(elfNames(bytes).symbols.map(({ name, address }) => [name, BigInt(address)]));
      expect(symbols.get("_start")).toBe(image.entry);
      expect(symbols.get("text")).toBe(image.symbols.get("text"));
    });
  });

  it.runIf(requireTool("ld")).each(PROGRAMS)("object linked by ld: %s", (name, dialect, bits, text) => {
    inTemporaryFolder((folder) => {
      writeFileSync(path.join(folder, "a.o"), writeElfObject(assembled(dialect, bits, text)));
      run("ld", ["-m", bits === 64 ? "elf_x86_64" : "elf_i386", "--no-warn-execstack", "a.o", "-o", "a"], folder);
      expect(execute(folder, "a")).toEqual({ output: `Hello from ${name}\n`, status: 42, signal: null });
    });
  });

  it.runIf(requireTool("ld")).each<[Dialect, 32 | 64, string]>([
    [
      "gas",
      64,
      ".globl _start\n_start: mov value@GOTPCREL(%rip), %rax\n mov (%rax), %edi\n call *f@GOTPCREL(%rip)\n mov $60, %eax\n syscall\n" +
        ".globl f\nf: add $2, %edi\n ret\n.data\n.globl value\nvalue: .long 40\n",
    ],
    [
      "gas",
      32,
      ".globl _start\n_start: call 1f\n1: pop %ebx\n add $_GLOBAL_OFFSET_TABLE_ + (. - 1b), %ebx\n mov value@GOT(%ebx), %eax\n" +
        " mov (%eax), %ecx\n add more@GOTOFF(%ebx), %ecx\n mov %ecx, %ebx\n mov $1, %eax\n int $0x80\n" +
        ".data\n.globl value\nvalue: .long 40\nmore: .long 2\n",
    ],
    [
      "nasm",
      64,
      "global _start, value\n_start: mov rax, [rel value wrt ..got]\n mov edi, [rax]\n mov eax, 60\n syscall\nsection .data\nvalue: dd 42\n",
    ],
  ])("through the global offset table: %s, %i-bit", (dialect, bits, text) => {
    const result = assembled(dialect, bits, text);
    inTemporaryFolder((folder) => {
      writeFileSync(path.join(folder, "a"), writeElfExecutable(link([result])), { mode: 0o755 });
      expect(execute(folder, "a").status).toBe(42);
      writeFileSync(path.join(folder, "b.o"), writeElfObject(result));
      run("ld", ["-m", bits === 64 ? "elf_x86_64" : "elf_i386", "--no-warn-execstack", "b.o", "-o", "b"], folder);
      expect(execute(folder, "b").status).toBe(42);
    });
  });

  it.runIf(requireTool("gcc"))("objects with thread-local symbols and call frames link into C programs", () => {
    const text = [
      ".globl count\n .type count, @function\ncount: .cfi_startproc\n push %rbp\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %rbp, 0",
      " mov counter@gottpoff(%rip), %rax\n addl $1, %fs:(%rax)",
      " mov counter@gottpoff(%rip), %rcx\n mov %fs:(%rcx), %eax\n add %fs:own@tpoff, %eax\n pop %rbp\n .cfi_adjust_cfa_offset -8\n ret",
      ' .cfi_endproc\n .size count, . - count\n .section .tdata, "awT"\nown: .long 30\n .section .note.GNU-stack, ""\n',
    ].join("\n");
    inTemporaryFolder((folder) => {
      writeFileSync(path.join(folder, "a.o"), writeElfObject(assembled("gas", 64, text), true, { debug: true }));
      writeFileSync(
        path.join(folder, "m.c"),
        "__thread int counter = 10; int count(void); int main(void) { count(); return count(); }",
      );
      run("gcc", ["m.c", "a.o", "-o", "a"], folder);
      expect(execute(folder, "a").status).toBe(42);
      expect(run("readelf", ["--debug-dump=frames", "a.o"], folder)).toContain("DW_CFA_offset: r6 (rbp) at cfa-16");
    });
  });

  it("links several results, of both dialects", () => {
    const main = assembled(
      "nasm",
      64,
      "global _start\nextern value, compute, shared\n_start: call compute\n add eax, [value]\n add eax, [shared]\n mov edi, eax\n mov eax, 60\n syscall\n",
    );
    const other = assembled(
      "gas",
      64,
      ".globl compute, value\ncompute: mov $30, %eax\n ret\n.data\nvalue: .long 12\n.comm shared, 4\n",
    );
    const image = link([main, other]);
    expect(image.diagnostics).toEqual([]);
    inTemporaryFolder((folder) => {
      writeFileSync(path.join(folder, "a"), writeElfExecutable(image), { mode: 0o755 });
      expect(execute(folder, "a").status).toBe(42);
    });
  });
});

describe("link", () => {
  it("places sections as ld does, or where it is told", () => {
    const result = assembled("gas", 64, GAS_64);
    const at = (image: ReturnType<typeof link>) =>
      Object.fromEntries(image.segments.map((one) => [one.section, one.address]));
    expect(at(link([result]))).toEqual({
      ".text": 0x401000n,
      ".rodata": 0x402000n,
      ".data": 0x403000n,
      ".bss": 0x403004n,
    });
    expect(
      at(link([result], { base: 0xffffffff81000000n, sectionBase: { ".data": 0xffffffff82000000n } })),
    ).toMatchObject({
      ".text": 0xffffffff81000000n,
      ".data": 0xffffffff82000000n,
    });
  });

  it("reports what is missing, doubled, or out of reach", () => {
    const a = assembled("gas", 64, ".globl f\nf: call nowhere\n.weak maybe\n.quad maybe\n");
    const b = assembled("gas", 64, ".globl f\nf: movl f, %eax\n");
    const image = link([a, b], { base: 0x123456789000n });
    expect(
      image.diagnostics.map((one) => [one.message.replace(/ \(.*\)/, ""), one.range.line, one.range.column]),
    ).toEqual([
      ["symbol 'f' is defined more than once", 1, 0],
      ["symbol 'nowhere' is not defined", 1, 8],
      ["the address of 'f' does not fit in 32 bits", 1, 8],
    ]);
  });

  it("knows the mode and line of every address", () => {
    const image = link([assembled("gas", 64, "_start: nop\n.code32\n inc %eax\n.code64\n inc %eax\n.byte 1\n")]);
    expect(image.lines.map((row) => [Number(row.address - image.entry), row.line, row.bits])).toEqual([
      [0, 0, 64],
      [1, 2, 32],
      [2, 4, 64],
      [4, 5, undefined],
    ]);
  });
});
