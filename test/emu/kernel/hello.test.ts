/** Whole programs: our own assembly and a C library's, 64 and 32 bit, on both vendors; the host's kernel runs the same files. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { compile, elf, entries, native, nativeImage, run, source } from "./kit.ts";

const HELLO_64 = `
	.globl _start
_start:	mov $1, %eax
	mov $1, %edi
	lea message(%rip), %rsi
	mov $6, %edx
	syscall
	mov $60, %eax
	mov $42, %edi
	syscall
	.data
message: .ascii "hello\\n"
`;
const HELLO_32 = `
	.globl _start
_start:	mov $4, %eax
	mov $1, %ebx
	mov $message, %ecx
	mov $6, %edx
	int $0x80
	mov $1, %eax
	mov $42, %ebx
	int $0x80
	.data
message: .ascii "hello\\n"
`;

describe.each(["intel", "amd"] as const)("hello on %s", (vendor) => {
  const cpu = { vendor, model: "current", quirks: [] } as const;
  test.each([
    [64, HELLO_64],
    [32, HELLO_32],
  ] as const)("%i bit", (bits, text) => {
    const ran = run(source(text, bits), { cpu });
    expect(ran.text).toBe("hello\n");
    expect(ran.stop).toEqual({ kind: "exit", status: 42 });
    expect(ran.system.run(1000)).toEqual({ kind: "exit", status: 42 });
  });
});

test("the same text runs natively with the same result", () => {
  for (const [bits, text] of [
    [64, HELLO_64],
    [32, HELLO_32],
  ] as const) {
    const { status, stdout } = nativeImage(text, bits);
    expect([status, stdout.toString()]).toEqual([42, "hello\n"]);
  }
});

const STDIO = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
  char line[64];
  while (fgets(line, sizeof line, stdin)) printf("%zu:%s", strlen(line), line);
  double third = argc / 3.0;
  char *heap = malloc(3 << 20);
  memset(heap, 'x', 3 << 20);
  printf("%d %s %.6f %c\\n", argc, argv[argc - 1], third, heap[2 << 20]);
  fprintf(stderr, "bye\\n");
  return 7;
}
`;

describe.runIf(requireTool("gcc"))("a static C program", () => {
  describe.each([
    [["-m64"], "x86_64", "intel"],
    [["-m64"], "x86_64", "amd"],
    [["-m64", "-static-pie"], "x86_64", "intel"],
    [["-m32"], "x86_64", "intel"],
    [["-m32"], "x86_64", "amd"],
    [["-m32"], "i386", "intel"],
  ] as const)("%j on the %s kernel, %s", (flags, arch, vendor) => {
    test("prints what it prints natively", () => {
      const bytes = compile(STDIO, ...flags);
      const input = "one\nand two\n";
      const here = run(elf(bytes), {
        arch,
        cpu: { vendor, model: "current", quirks: [] },
        args: ["a", "b"],
        stdin: new TextEncoder().encode(input),
      });
      const there = native(bytes, ["a", "b"], input);
      expect(there.status).toBe(7);
      expect(here.stop).toEqual({ kind: "exit", status: 7 });
      const err = here.events.filter((e) => e.type === "console" && e.stream === "stderr");
      expect(new TextDecoder().decode(err[0]?.bytes as Uint8Array)).toBe("bye\n");
      const out = here.events.filter((e) => e.type === "console" && e.stream === "stdout");
      const text = out.map((e) => new TextDecoder().decode(e.bytes as Uint8Array)).join("");
      expect(text).toBe(there.stdout.toString());
      expect(here.events.filter((e) => e.type === "unimplemented")).toEqual([]);
    });
  });

  test("32-bit code enters through the vDSO by the processor's own instruction", () => {
    const bytes = compile(STDIO, "-m32");
    for (const [vendor, kind] of [
      ["intel", "sysenter"],
      ["amd", "syscall32"],
    ] as const) {
      const ran = run(elf(bytes), { cpu: { vendor, model: "current", quirks: [] } });
      const kinds = entries(ran.events).map((e) => e.kind);
      expect(kinds).toContain(kind);
      expect(ran.events.find((e) => e.type === "exit" && e.instruction === "sysretl")).toBeDefined();
    }
  });
});
