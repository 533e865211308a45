/** Line tables: the decoded rows of our objects against those of the tools, and gdb stepping our executables. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, link, writeElfExecutable, writeElfObject } from "../../src/asmlang/index.ts";
import type { AssembleResult, Dialect } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import { inTemporaryFolder, run } from "./oracle.ts";

const GAS = `	.text
	.globl _start
	.type _start, @function
_start:
	nop
	.macro two a
	nop
	mov $\\a, %eax
	.endm
	two 1
	.rept 2
	inc %eax
	dec %ebx
	.endr
	.p2align 4
l:	jmp 1f
	.byte 0x90
	.long 5
	lock
	incl (%rax)
	rep stosb; nop
	.irp x,1,2
	mov $\\x, %edx
	.endr
	.include "b.inc"
1:	ret
	.skip 3
	.size _start, . - _start
	.section .text.other,"ax"
	nop
	two 3
	.data
	.long 5
	.text
	nop
	.macro outer
	two 7
	hlt
	.endm
	outer
	.skip 300
	jmp _start
`;
const LOC = `	.file "x.c"
	.text
	.file 1 "src" "x.c"
	.file 2 "/usr/include/y.h"
f:	.loc 1 3 1
	push %rbx
	.loc 1 4 5 prologue_end
	nop
	nop
	.loc 2 10 2 is_stmt 0
	.loc 2 11 2
	nop
	.loc 1 900 1 is_stmt 1
	ret
`;
const NASM = `bits 64
section .text
global _start:function
_start: nop
%macro two 1
  nop
  mov eax, %1
%endmacro
  two 1
%rep 2
  inc eax
%endrep
align 16
l: jmp x
  db 0x90
  dd 5
  times 3 nop
%include "b.inc"
x: ret
section .data
 dd 5
section .text2 exec
 nop
%imacro outer 0
 two 7
 hlt
%endmacro
 outer
section .text
 nop
 resb 3
 nop
`;

function assembled(dialect: Dialect, bits: 32 | 64, text: string, folder: string): AssembleResult {
  const name = dialect === "gas" ? "a.s" : "a.asm";
  const include = (file: string) => ({ uri: `file://${folder}/${file}`, text: "\tcmc\n\tcld\n" });
  const result = assemble({ uri: `file://${folder}/${name}`, text }, { dialect, bits, include });
  expect(result.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return result;
}

/** Every row as "file line address statement". */
function rows(folder: string, file: string): string[] {
  return run("readelf", ["-W", "--debug-dump=decodedline", file], folder)
    .split("\n")
    .flatMap((line) => {
      const row = /^(\S+)\s+(\d+|-)\s+(0x[\da-f]+|0)\b(.*)$/.exec(line);
      return row ? [`${path.basename(row[1]!)} ${row[2]} ${Number(row[3])} ${/x\s*$/.test(row[4]!) ? "x" : ""}`] : [];
    });
}

const TOOLS = {
  gas: (bits: number) => ["as", `--${bits}`, "-gdwarf-5", "a.s", "-o", "t.o"],
  nasm: (bits: number) => ["nasm", "-g", "-F", "dwarf", "-f", `elf${bits}`, "a.asm", "-o", "t.o"],
} as const;

describe.runIf(requireTool("as") && requireTool("nasm", ["-v"]) && requireTool("readelf"))("line tables", () => {
  it.each<[string, Dialect, 32 | 64, string]>([
    ["gas", "gas", 64, GAS],
    ["gas, 32-bit", "gas", 32, GAS.replaceAll("%rax", "%eax")],
    ["gas with .loc", "gas", 64, LOC],
    ["nasm", "nasm", 64, NASM],
    ["nasm, 32-bit", "nasm", 32, NASM.replace("bits 64", "bits 32")],
  ])("%s: the tool's rows", (_, dialect, bits, text) => {
    inTemporaryFolder((folder) => {
      writeFileSync(path.join(folder, dialect === "gas" ? "a.s" : "a.asm"), text);
      writeFileSync(path.join(folder, "b.inc"), "\tcmc\n\tcld\n");
      const [tool, ...args] = TOOLS[dialect](bits) as [string, ...string[]];
      run(tool, args, folder);
      const result = assembled(dialect, bits, text, folder);
      writeFileSync(path.join(folder, "o.o"), writeElfObject(result, bits === 64, { debug: true }));
      expect(rows(folder, "o.o")).toEqual(rows(folder, "t.o"));
      run("ld", ["-m", bits === 64 ? "elf_x86_64" : "elf_i386", "-e", "0", "-o", "linked", "o.o"], folder);
      expect(rows(folder, "linked").length).toBe(rows(folder, "o.o").length);
    });
  });

  it("does not change the code", () => {
    inTemporaryFolder((folder) => {
      const result = assembled("gas", 64, GAS, folder);
      for (const [name, debug] of [
        ["with", true],
        ["without", false],
      ] as const) {
        writeFileSync(path.join(folder, name), writeElfExecutable(link([result]), { debug }));
        run("objcopy", ["-O", "binary", "-j", ".text", name, `${name}.bin`], folder);
      }
      run("cmp", ["with.bin", "without.bin"], folder);
    });
  });
});

const STEPPED = `	.globl _start
	.type _start, @function
_start:	mov $1, %ebx
	call f
	mov $60, %eax
	xor %edi, %edi
	syscall
	.size _start, . - _start
	.type f, @function
f:	.cfi_startproc
	push %rbp
	.cfi_def_cfa_offset 16
	nop
	pop %rbp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.size f, . - f
`;

describe.runIf(requireTool("gdb") && process.platform === "linux" && process.arch === "x64")("gdb", () => {
  it.each([64, 32] as const)("steps an executable of ours by source line, %i-bit", (bits) => {
    inTemporaryFolder((folder) => {
      const text =
        bits === 64
          ? STEPPED
          : STEPPED.replace("syscall", "int $0x80")
              .replaceAll("%rbp", "%ebp")
              .replace("offset 16", "offset 8")
              .replace(/offset 8(?=\n\tret)/, "offset 4")
              .replace("$60", "$1");
      writeFileSync(path.join(folder, "a.s"), text);
      const image = link([assembled("gas", bits, text, folder)]);
      writeFileSync(path.join(folder, "a"), writeElfExecutable(image, { debug: true }), { mode: 0o755 });
      const commands = ["break _start", "run", "step", "step", "step", "bt", "next", "next"];
      const args = [
        "-q",
        "-nx",
        "-batch",
        "-iex",
        "set debuginfod enabled off",
        ...commands.flatMap((one) => ["-ex", one]),
        "./a",
      ];
      const output = run("gdb", args, folder);
      const shown = output.split("\n").flatMap((line) => /^(\d+)\t/.exec(line)?.[1] ?? []);
      expect(shown, output).toEqual(["3", "4", "11", "13", "14", "16"]);
      expect(output).toMatch(/#0\s+f \(\) at .*a\.s:13\n#1\s+0x[\da-f]+ in _start \(\) at .*a\.s:4/);
    });
  });
});
