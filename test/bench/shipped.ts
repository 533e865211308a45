/** The assembler as it ships, in one bundle: in the modules that the test runner makes, every use of an import is a look-up. */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import * as esbuild from "esbuild";
import { embeddedIced, rawText } from "../../scripts/iced-plugin.mjs";
import type * as asmlang from "../../src/asmlang/index.ts";

export async function shippedAssembler(): Promise<typeof asmlang> {
  const folder = mkdtempSync(path.join(tmpdir(), "ringside-bench-"));
  const outfile = path.join(folder, "asmlang.cjs");
  try {
    await esbuild.build({
      entryPoints: [path.join(import.meta.dirname, "../../src/asmlang/index.ts")],
      outfile,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      plugins: [rawText, embeddedIced],
    });
    return createRequire(import.meta.url)(outfile) as typeof asmlang;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
