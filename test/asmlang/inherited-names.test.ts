/** Names that every JavaScript object has are names like any other to the assembler: what it says of them is what it says of a plain one. */
import { describe, expect, it } from "vitest";
import { assemble } from "../../src/asmlang/index.ts";

/** Each beside a harmless name of the same shape. */
const NAMES = [
  ["constructor", "constructer"],
  ["__proto__", "__prata__"],
  ["toString", "toStrong"],
  ["valueOf", "valueUf"],
  ["hasOwnProperty", "hasOwnPropurty"],
] as const;

/** `N` is the name. */
const GAS = [
  "N:\n jmp N\n",
  " N\n",
  " N %eax, %ebx\n",
  " rep N\n",
  " N nop\n",
  " {N} nop\n",
  " mov.N %eax, %ebx\n",
  " .N 1\n",
  " .section N\n nop\n",
  ' .section s,"aG",@progbits,N,comdat\n',
  ' .section s,"a",@N\n',
  " .type f, @N\nf:\n",
  " N = 5\n .long N\n",
  " .macro N a\n .byte \\a\n .endm\n N 3\n",
  " .macro m N\n .byte \\N\n .endm\n m 3\n",
  " .macro m a\n .byte 1\n .endm\n m N=3\n",
  " .ifN x\n .endif\n",
  " mov x@N, %eax\n",
  " mov %N, %eax\n",
  " vaddps %zmm0,%zmm1,%zmm2{N}\n",
  " .intel_syntax noprefix\n mov eax, N ptr [ebx]\n",
  " .intel_syntax noprefix\n mov eax, [ebx N 4]\n",
  " .intel_syntax noprefix\n mov eax, 4 N 5\n",
  " .cfi_startproc\n .cfi_N 1\n .cfi_offset N, 8\n .cfi_endproc\n",
  " .reloc 0, N, x\n",
  " .arch N\n",
];
const CPP = [
  "#define N 1\n .byte N\n",
  "#define F(N) N\n .byte F(4)\n",
  " .byte N\n",
  "#if defined(N) || N\n nop\n#endif\n",
  "#N foo\n",
];
const NASM = [
  "N:\n jmp N\n",
  " N eax, ebx\n",
  "N equ 5\n db N\n",
  "%define N 5\n db N\n",
  "%macro N 0\n nop\n%endmacro\nN\n",
  "%N foo\n",
  "%ifN x\n%endif\n",
  "%use N\n",
  "%arg x:N\n",
  "%stacksize N\n",
  "%push N\n%define %$N 1\n db %$N\n%pop N\n",
  "%macro m 1\n j%+1 x\n%endmacro\n m N\nx:\n",
  "section N align=32\n nop\n",
  "section .text N=5\n",
  "global f:N\nf:\n",
  "[N foo]\n",
  "N foo\n",
  "struc N\n.a: resb 1\nendstruc\n db N_size\n",
  " mov eax, N [ebx]\n",
  " db N 5\n",
  " db N(5)\n",
  " dN 5\n",
  " dd __?N?__\n",
  " dq __?N?__(1.0)\n",
  " db %N(1)\n",
  " dd x wrt N\nx:\n",
  " dd x wrt ..N\nx:\n",
  " vaddps zmm0{N},zmm1,zmm2\n",
  " rep N\n",
];

/** Everything that the assembler gives, with the name made neutral. */
function shown(uri: string, text: string, name: string): string {
  const result = assemble({ uri, text: text.replaceAll("N", name) }, { dialect: "auto", output: "object" });
  const plain = JSON.stringify(result, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value instanceof Uint8Array ? [...value] : value,
  );
  return plain.replaceAll(new RegExp(name, "gi"), "NAME");
}

describe.each([
  ["a.s", GAS],
  ["a.S", CPP],
  ["a.asm", NASM],
] as const)("%s", (uri, texts) => {
  it.each(texts)("%j", (text) => {
    for (const [name, harmless] of NAMES) expect(shown(uri, text, name)).toBe(shown(uri, text, harmless));
  });
});

it.each(NAMES.map(([name]) => name))("defines %s from outside", (name) => {
  const defines = Object.fromEntries([[name, 5]]);
  for (const [uri, text] of [
    ["a.s", ` .byte ${name}`],
    ["a.asm", ` db ${name}`],
  ] as const) {
    const result = assemble({ uri, text: `${text}\n` }, { dialect: "auto", defines });
    expect(result.diagnostics).toEqual([]);
    expect([...result.sections[0]!.bytes]).toEqual([5]);
  }
});
