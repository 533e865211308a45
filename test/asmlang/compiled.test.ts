/** What a compiler writes is the GNU source that most people have: gcc's output for a C program, assembled by `as` and by us. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import { requireTool } from "../tools.ts";
import { describeElf } from "./elf.ts";
import { gnuObject, inTemporaryFolder, run } from "./oracle.ts";

const PROGRAM = `
#include <stdio.h>
#include <stdlib.h>
static int table[10] = {1, 2, 3};
const char *names[] = {"a", "bc", "def"};
double d = 3.25;
long double ld = 1.1L;
struct s { int a; long b; char c[5]; } g[3] = {{1, 2, "abc"}, {3, 4, "x"}};
int common;
int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int choose(int x) { switch (x) { case 0: return 5; case 1: return 7; case 2: return 9; case 3: return 1; case 4: return 77; case 5: return 3; default: return -1; } }
unsigned long long mul(unsigned long long a, unsigned long long b) { return a * b / 7 + (a >> 3) % b; }
int cmp(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
float vec(const float *a, int n) { float s = 0; for (int i = 0; i < n; i++) s += a[i] * a[i]; return s; }
void copy(int *a, const int *b, int n) { for (int i = 0; i < n; i++) a[i] = b[i] + (b[i] > 5 ? 1 : -b[i]); }
int main(int argc, char **argv) {
  char buf[100];
  qsort(table, 10, sizeof(int), cmp);
  snprintf(buf, sizeof buf, "%d %s %f %lld", fib(argc), names[argc % 3], d * argc, (long long)mul(argc, 3));
  puts(buf);
  for (int i = 0; i < choose(argc); i++) printf("%d %ld %s", g[i % 3].a, g[i % 3].b, g[i % 3].c);
  return table[argc] + common;
}
`;

const OPTIONS = ["-O0", "-O2", "-O3 -mavx2", "-Os", "-O2 -masm=intel"].flatMap((flags) => [
  [64, flags] as const,
  [32, flags] as const,
]);

describe.runIf(requireTool("gcc") && requireTool("as"))("compiled C against as", () => {
  it.each(OPTIONS)("%i-bit %s", (bits, flags) => {
    const text = inTemporaryFolder((folder) => {
      writeFileSync(path.join(folder, "a.c"), PROGRAM);
      run("gcc", [`-m${bits}`, ...flags.split(" "), "-fno-pic", "-S", "a.c", "-o", "a.s"], folder);
      return readFileSync(path.join(folder, "a.s"), "utf8");
    });
    const result = assemble({ uri: "file:///a.s", text }, { dialect: "gas", bits });
    expect(result.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
    expect(describeElf(writeElfObject(result, bits === 64))).toEqual(describeElf(gnuObject(text, bits)));
  });
});
