// npm run conformance:lockstep: bundles test/conformance/lockstep/main.ts and runs it. See --help.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = mkdtempSync(join(root, "node_modules", ".lockstep-"));
try {
  const outfile = join(directory, "main.mjs");
  await build({
    entryPoints: [join(root, "test/conformance/lockstep/main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["iced-x86"],
    logLevel: "warning",
  });
  const tracer = join(root, "test/conformance/native/tracer.c");
  const result = spawnSync(process.execPath, [outfile, "--tracer", tracer, ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  process.exitCode = result.status ?? 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
