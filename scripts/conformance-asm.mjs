// npm run conformance:asm -- [--lines N] [--seed S] ...: bundles the comparison in test/conformance/asm-encode and runs it.
import { mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { build } from "esbuild";
import { rawText } from "./iced-plugin.mjs";

const cache = path.resolve(import.meta.dirname, "../node_modules/.cache");
const outfile = path.join(cache, `conformance-asm-${process.pid}.cjs`);
mkdirSync(cache, { recursive: true });
await build({
  entryPoints: [path.resolve(import.meta.dirname, "../test/conformance/asm-encode/main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "cjs",
  external: ["iced-x86"],
  plugins: [rawText],
  logLevel: "error",
});
try {
  const { main } = createRequire(import.meta.url)(outfile);
  process.exitCode = main(process.argv.slice(2));
} finally {
  rmSync(outfile, { force: true });
}
