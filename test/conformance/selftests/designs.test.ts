/** Linux's selftests under designs: each fails where the system that it tests is designed out, and for that system's reason. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { buildSelftest, requireSources } from "./build.ts";
import { runSelftest } from "./run.ts";

const program = (name: string, bits: 32 | 64 = 64): string => {
  const built = buildSelftest(name, bits);
  if ("problem" in built) throw new Error(built.problem);
  return built.file;
};
const TIME = 120_000;

describe.runIf(requireTool("gcc") && requireSources())("designed out", () => {
  test.each([
    ["sigreturn", "intel", { espfix: "none" }, /3 FAIL: .*SP mismatch: requested 0x8badf00d5aadc0de; got 0xc0de/],
    ["sigreturn", "amd", { espfix: "none" }, /3 FAIL: .*SP mismatch: requested 0x8badf00d5aadc0de; got 0xfffffe/],
    ["sysret_ss_attrs", "amd", { ssFix: "off" }, /exit status 135/], // SIGBUS: the stack segment is unusable
    // The #GP of SYSRET is on the user's stack, which SMAP forbids.
    ["sysret_rip", "intel", { sysret: "no-canonical-check" }, /kernel oops: double fault/],
    ["sigreturn", "intel", { sysret: "no-cs-check" }, /exit status 139/], // 64-bit code where 32-bit was asked for
  ] as const)(
    "%s on %s under %o",
    (name, vendor, designs, why) => {
      expect(runSelftest(program(name), { arch: "x86_64", vendor, designs }).why).toMatch(why);
    },
    TIME,
  );

  test(
    "not every processor shows it",
    () => {
      for (const [name, vendor, designs] of [
        ["sysret_ss_attrs", "intel", { ssFix: "off" }],
        ["sysret_rip", "amd", { sysret: "no-canonical-check" }],
      ] as const)
        expect(runSelftest(program(name), { arch: "x86_64", vendor, designs }).why).toBe("");
    },
    TIME,
  );
});

describe.runIf(requireTool("gcc") && requireSources())("designed otherwise", () => {
  test.each<Readonly<Record<string, string>>>([
    { exitPaths: "shared" },
    { exitPaths: "tif-iret" },
    { exitPaths: "notify-resume" },
    { exitPaths: "async-separate" },
    { exitPaths: "conditional-swapgs" },
    { sysret: "fast-path-only" },
  ])(
    "%o: a return that SYSRET cannot do is not done by it",
    (designs) => {
      for (const name of ["sysret_rip", "sysret_ss_attrs", "syscall_nt"])
        for (const vendor of ["intel", "amd"] as const)
          expect(runSelftest(program(name), { arch: "x86_64", vendor, designs }).why).toBe("");
    },
    TIME,
  );

  test(
    "page tables of its own for user mode: descriptors, ministacks and returns are all found",
    () => {
      for (const name of ["sigreturn", "ldt_gdt", "sysret_rip", "fsgsbase", "ptrace_syscall"])
        for (const vendor of ["intel", "amd"] as const)
          expect(runSelftest(program(name), { arch: "x86_64", vendor, designs: { pti: "on" } }).why, name).toBe("");
    },
    TIME,
  );

  test(
    "switching page tables costs a SYSENTER's caller its arithmetic flags, for AND comes before PUSHF",
    () => {
      const changed = (pti: string, vendor: "intel" | "amd") => {
        const { why, transcript } = runSelftest(program("test_syscall_vdso", 32), {
          arch: "x86_64",
          vendor,
          designs: { pti },
        });
        expect(why).toBe("");
        return /Flags change=0*(\w+)/.exec(transcript)?.[1];
      };
      expect(changed("on", "intel")).toBe("8d1");
      expect(changed("off", "intel")).toBeUndefined();
      // where the vDSO has SYSCALL, the processor has saved them
      expect(changed("on", "amd")).toBeUndefined();
    },
    TIME,
  );

  test(
    "the espfix prototype keeps the user's ESP too",
    () => {
      for (const bits of [64, 32] as const) {
        const target = { arch: "x86_64", vendor: "intel", designs: { espfix: "prototype" } } as const;
        const { transcript } = runSelftest(program("sigreturn", bits), target);
        expect(transcript.match(/\[OK\]/g)?.length).toBeGreaterThan(5);
        expect(transcript).not.toContain("[FAIL]");
      }
    },
    TIME,
  );
});
