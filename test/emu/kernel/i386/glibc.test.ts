/** A static glibc program that gcc made, on the 32-bit kernel and natively: same output, same status. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { requireTool } from "../../../tools.ts";
import { finish, prepareElf } from "./run.ts";

const SOURCE = `
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static __thread int counter = 40;
static volatile int seen;
static void handler(int sig) { seen = sig; counter++; }

int main(int argc, char **argv) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  sigaction(SIGUSR1, &action, 0);
  raise(SIGUSR1);
  char *block = malloc(200000);
  memset(block, 'x', 200000);
  setvbuf(stdout, 0, _IOFBF, 100);
  printf("%d arguments, signal %d, counter %d, %.3f, %c, vdso %d\\n", argc, seen, ++counter, 22 / 7.0, block[199999], getauxval(AT_SYSINFO_EHDR) != 0);
  for (int i = 1; i < argc; i++) printf("%s=%s\\n", argv[i], getenv(argv[i]));
  return 42;
}
`;

const dir = mkdtempSync(join(tmpdir(), "ringside-glibc-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe.runIf(requireTool("gcc"))("gcc -m32 -static", () => {
  test("runs as it does natively", () => {
    writeFileSync(join(dir, "hello.c"), SOURCE);
    const file = join(dir, "hello");
    execFileSync("gcc", ["-m32", "-static", "-O2", "-o", file, join(dir, "hello.c")]);
    const env = { COLOUR: "green", SHAPE: "round" };
    const native = spawnSync(file, Object.keys(env), { env, encoding: "utf8" });
    const ours = finish(prepareElf(readFileSync(file), { args: Object.keys(env), env }), 1_000_000);
    expect({ output: ours.output(), status: ours.status }).toEqual({ output: native.stdout, status: native.status });
    expect(ours.status).toBe(42);
    expect(ours.events.some((event) => event.instruction === "sysexit")).toBe(true);
  });
});
