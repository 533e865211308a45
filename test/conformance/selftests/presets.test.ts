/**
 * Linux's selftests under the presets of older kernels, whose entry code is assembly: what those kernels could do passes, and what they could
 * not fails for the reason for which it did.
 */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { buildSelftest, requireSources } from "./build.ts";
import { runSelftest } from "./run.ts";

const program = (name: string, bits: 32 | 64): string => {
  const built = buildSelftest(name, bits);
  if ("problem" in built) throw new Error(built.problem);
  return built.file;
};
const TIME = 240_000;
const ran = (name: string, bits: 32 | 64, vendor: "intel" | "amd", preset: string) =>
  runSelftest(program(name, bits), { arch: "x86_64", vendor, preset });

describe.runIf(requireTool("gcc") && requireSources())("under older presets", () => {
  test.each(["linux-4.6", "linux-4.0", "linux-3.14"])(
    "%s: ptrace_syscall, sysret_rip, ioperm and single_step_syscall end as with a real Linux",
    (preset) => {
      const names = ["ptrace_syscall", "sysret_rip", "ioperm"];
      for (const vendor of ["intel", "amd"] as const) {
        // a step into SYSENTER itself is what the next test is about
        const steps = vendor === "amd" || preset === "linux-4.6" ? ["single_step_syscall"] : [];
        for (const name of [...names, ...steps])
          expect(ran(name, 64, vendor, preset).why, `${name}_64 ${vendor}`).toBe("");
        for (const name of ["ptrace_syscall", ...steps])
          expect(ran(name, 32, vendor, preset).why, `${name}_32 ${vendor}`).toBe("");
      }
    },
    TIME,
  );

  test.each(["linux-4.0", "linux-3.14"])(
    "%s: a step into SYSENTER whose argument 6 cannot be read loses TF: only syscall_trace_enter gives it back",
    (preset) => {
      for (const bits of [64, 32] as const) {
        const { transcript } = ran("single_step_syscall", bits, "intel", preset);
        const [before, after] = transcript.split("check SYSENTER");
        expect(before).not.toContain("FAIL");
        expect(before!.match(/\[OK\]/g)?.length).toBeGreaterThanOrEqual(4);
        expect(after).toMatch(/TF was cleared/);
      }
    },
    TIME,
  );

  test(
    "sigreturn: 4.0 and 4.6 have espfix64, 3.14 has not and leaks ESP",
    () => {
      for (const preset of ["linux-4.6", "linux-4.0"]) expect(ran("sigreturn", 64, "intel", preset).why).toBe("");
      const { transcript } = ran("sigreturn", 64, "intel", "linux-3.14");
      expect(transcript).toMatch(/SP mismatch: requested 0x8badf00d5aadc0de/);
    },
    TIME,
  );
});
