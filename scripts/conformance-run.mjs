// Bundles a TypeScript program of test/conformance and runs it, or runs a test file with other bounds; the conformance-*.mjs scripts are made of this.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { rawText } from "./iced-plugin.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string} entry path from the root  @param {string[]} args */
export async function runBundled(entry, args) {
  const directory = mkdtempSync(join(root, "node_modules", ".conformance-"));
  try {
    const outfile = join(directory, "main.mjs");
    await build({
      entryPoints: [join(root, entry)],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["iced-x86"],
      plugins: [rawText],
      logLevel: "warning",
    });
    const result = spawnSync(process.execPath, [outfile, ...args], { stdio: "inherit" });
    process.exitCode = result.status ?? 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {string} file of tests, from the root  @param {Record<string, string>} bounds environment variables that it reads */
export function runTests(file, bounds) {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const env = { ...process.env, ...bounds };
  const result = spawnSync(process.execPath, [vitest, "run", file], { cwd: root, stdio: "inherit", env });
  process.exitCode = result.status ?? 1;
}
