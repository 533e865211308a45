/** Linux's own seccomp selftest, 64-bit and 32-bit, on both kernels: test by test what it says on this host. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { requireSources } from "./build.ts";
import { runSelftest } from "./run.ts";
import { buildSeccomp, byTest, NAMESPACES, runNatively } from "./seccomp.ts";

// The test's own tracer can miss the signal that tells it to stop, between asking whether it has come and waiting, if it is overtaken by a task
// on another CPU that it has just let go on, and then its time runs out: so all but one of the machines have one CPU.
describe.runIf(requireTool("gcc") && requireSources())("seccomp_bpf", () => {
  test.each([
    [64, "x86_64", "intel", 1],
    [64, "x86_64", "amd", 2],
    [32, "x86_64", "amd", 1],
    [32, "i386", "intel", 1],
  ] as const)(
    "%i bit on %s, %s, %i CPUs: differs from this host where there are no namespaces, and nowhere else",
    (bits, arch, vendor, cpus) => {
      const file = buildSeccomp(bits);
      const native = byTest(runNatively(file));
      const here = byTest(runSelftest(file, { arch, vendor }, 120, cpus).transcript);
      expect([...here.keys()]).toEqual([...native.keys()]);
      expect(native.size).toBeGreaterThan(90);
      const differing = [...native].filter(([name, lines]) => lines.join("\n") !== here.get(name)!.join("\n"));
      const unexpected = differing.filter(([name]) => !NAMESPACES.includes(name));
      expect(unexpected.map(([name, lines]) => ({ name, native: lines, here: here.get(name) }))).toEqual([]);
      expect(differing.map(([name]) => name)).toEqual(NAMESPACES);
    },
    400_000,
  );

  test("with filters asked before the tracer, what they do after it fails", () => {
    const designs = { seccomp: "before-ptrace" };
    // One CPU: the test's own tracer looks at its flag, and then waits; a signal between the two is lost.
    const { transcript } = runSelftest(buildSeccomp(64), { arch: "x86_64", vendor: "intel", designs }, 120, 1);
    const failing = [...byTest(transcript)].filter(([, lines]) => lines.some((line) => line.startsWith("not ok")));
    const names = failing.map(([name]) => name).filter((name) => !NAMESPACES.includes(name));
    expect(names).toEqual([
      "TRACE_syscall.ptrace.skip_after",
      "TRACE_syscall.ptrace.kill_after",
      "TRACE_syscall.seccomp.skip_after",
      "TRACE_syscall.seccomp.kill_after",
    ]);
  }, 400_000);
});
