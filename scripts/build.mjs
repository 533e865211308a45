// Builds every bundle into dist/. `npm ci` runs it through "prepare"; `node scripts/build.mjs --watch` keeps them fresh.
//   dist/ringside.cjs       Node: the `ringside` command, debug adapter and language server included
//   dist/web-worker.js      browser worker: debug adapter and language server
//   dist/extension.cjs      VS Code extension, desktop host
//   dist/extension-web.cjs  VS Code extension, web host
import { chmod, mkdir, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { embeddedIced, rawText } from "./iced-plugin.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  keepNames: true,
  sourcemap: "linked",
  logLevel: "warning",
  plugins: [rawText, embeddedIced],
};
const bundles = [
  {
    ...common,
    entryPoints: ["src/cli/main.ts"],
    outfile: "dist/ringside.cjs",
    platform: "node",
    target: "node20",
    format: "cjs",
    banner: { js: "#!/usr/bin/env node" },
  },
  {
    ...common,
    entryPoints: ["src/adapter/worker.ts"],
    outfile: "dist/web-worker.js",
    platform: "browser",
    target: "es2022",
    format: "iife",
  },
  {
    ...common,
    entryPoints: ["extension/node.ts"],
    outfile: "dist/extension.cjs",
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["vscode"],
  },
  {
    ...common,
    entryPoints: ["extension/web.ts"],
    outfile: "dist/extension-web.cjs",
    platform: "browser",
    target: "es2022",
    format: "cjs",
    external: ["vscode"],
  },
];

/** Makes `npx ringside` start at once: npm links a package's commands into its dependents, not into itself. */
async function linkCommand() {
  const bin = path.join(root, "node_modules", ".bin");
  await mkdir(bin, { recursive: true });
  const link = path.join(bin, "ringside");
  await rm(link, { force: true });
  await symlink(path.join("..", "..", "dist", "ringside.cjs"), link).catch(() => {});
  await chmod(path.join(root, "dist", "ringside.cjs"), 0o755);
}

if (process.argv.includes("--watch")) {
  for (const bundle of bundles) await (await esbuild.context(bundle)).watch();
} else {
  await Promise.all(bundles.map((bundle) => esbuild.build(bundle)));
  await linkCommand();
}
