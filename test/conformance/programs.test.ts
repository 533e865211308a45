/** Static programs of today's compilers print what they print natively: long double, vectorized loops, the library's own choices. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { ringside } from "../cli/tool.ts";
import { requireTool } from "../tools.ts";

const SOURCE = fileURLToPath(new URL("programs/numbers.c", import.meta.url));
const dir = mkdtempSync(path.join(tmpdir(), "ringside-programs-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Whether this host can run them itself. */
function hostHasAvx2(): boolean {
  const has = process.platform === "linux" && readFileSync("/proc/cpuinfo", "utf8").includes(" avx2 ");
  if (!has) console.warn("skipped: programs compared with native runs, which need a Linux host with AVX2");
  return has;
}

const V3 = "-march=x86-64-v3";
const COMPILED: readonly (readonly [string, readonly string[], string])[] = [
  ["-O2", ["-O2"], "x86_64"],
  ["-O3 for AVX2 and FMA", ["-O3", V3, "-ffast-math"], "x86_64"],
  ["-m32 -O2", ["-m32", "-O2"], "i386"],
  ["-m32 -O3 for AVX2", ["-m32", "-O3", "-mavx2", "-mfpmath=sse"], "i386"],
];

describe.runIf(requireTool("gcc") && hostHasAvx2())("a static program", () => {
  it.each(COMPILED)(
    "compiled with %s",
    (name, flags, arch) => {
      const program = path.join(dir, name.replace(/\W+/g, "-"));
      const gcc = spawnSync("gcc", [...flags, "-static", "-o", program, SOURCE, "-lm"], { encoding: "utf8" });
      expect(gcc.stderr).toBe("");
      const native = spawnSync(program, [], { encoding: "utf8" });
      const ours = ringside(["run", "--arch", arch, program]);
      expect(native.status).toBe(0);
      expect(ours.stdout.split("\n")).toEqual(native.stdout.split("\n"));
      expect(ours.status).toBe(0);
    },
    120_000,
  );
});
