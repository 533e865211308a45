/**
 * Linux's seccomp selftest (tools/testing/selftests/seccomp/seccomp_bpf.c, unmodified): built as a static program, run here and on this
 * host, and compared test by test.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { ARCHIVE, cache, command, TREE } from "./build.ts";
import { masked } from "./mask.ts";

/** What stands in for libcap's header. */
const INCLUDE = path.join(import.meta.dirname, "include");

/** @throws what the compiler said. */
export function buildSeccomp(bits: 32 | 64): string {
  const source = path.join(cache(), TREE, "seccomp/seccomp_bpf.c");
  const file = path.join(cache(), `seccomp_bpf_${bits}`);
  if (existsSync(file)) return file;
  mkdirSync(cache(), { recursive: true });
  const members = ["seccomp", "clone3", "kselftest_harness.h", "kselftest.h"].map((name) => `${TREE}/${name}`);
  const flags = [`-m${bits}`, "-O1", "-w", "-pthread", "-static", "-I", INCLUDE];
  const problem =
    command("tar", ["-xJf", ARCHIVE, "-C", cache(), ...members]) ?? command("gcc", [...flags, "-o", file, source]);
  if (problem !== undefined) throw new Error(problem);
  return file;
}

export const runNatively = (file: string): string => spawnSync(file, [], { encoding: "utf8", timeout: 60_000 }).stdout;

/** The lines of each test, by its name; what is not a test's own is left out. */
export function byTest(transcript: string): Map<string, string[]> {
  const tests = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of masked(transcript)) {
    const [, run] = /^# +RUN +(\S+) \.\.\.$/.exec(line) ?? [];
    if (run !== undefined) tests.set(run, (lines = []));
    else if (!line.startsWith("# PASSED") && !line.startsWith("# FAILED") && !line.startsWith("# Totals"))
      lines.push(line);
  }
  return tests;
}

/** Tests that need a namespace of their own. */
export const NAMESPACES: readonly string[] = ["child_pid_ns", "sibling_pid_ns", "fault_recv"].map(
  (name) => `global.user_notification_${name}`,
);
