// Builds every bundle into dist/. `npm ci` runs it through "prepare"; `node scripts/build.mjs --watch` keeps them fresh.
//   dist/ringside.cjs       Node: the `ringside` command: starts the next one, and keeps its compiled code in dist/cache
//   dist/ringside-main.cjs  Node: the command itself, debug adapter and language server included
//   dist/web-worker.js      browser worker: debug adapter and language server
//   dist/extension.cjs      VS Code extension, desktop host
//   dist/extension-web.js   VS Code extension, web host
//   dist/webview.{js,css}   page of the extension's views
//   dist/scenarios.json     the files of each bundled scenario (a web extension cannot list a folder)
//   dist/THIRD-PARTY-LICENCES.txt
import { chmod, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { nodeModulesInBrowser } from "./browser-plugin.mjs";
import { embeddedIced, rawText } from "./iced-plugin.mjs";
import { assembledImages } from "./images-plugin.mjs";
import { writeLicences } from "./licences.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  charset: "ascii",
  sourcemap: "linked",
  logLevel: "warning",
  plugins: [rawText, embeddedIced, assembledImages],
};
export const bundles = [
  {
    ...common,
    entryPoints: ["src/cli/start.ts"],
    outfile: "dist/ringside.cjs",
    platform: "node",
    target: "node20",
    format: "cjs",
    banner: { js: "#!/usr/bin/env node" },
    sourcemap: false,
  },
  {
    ...common,
    entryPoints: ["src/cli/main.ts"],
    outfile: "dist/ringside-main.cjs",
    platform: "node",
    target: "node20",
    format: "cjs",
  },
  {
    ...common,
    entryPoints: ["src/adapter/worker.ts"],
    plugins: [...common.plugins, nodeModulesInBrowser],
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
    outfile: "dist/extension-web.js",
    platform: "browser",
    target: "es2022",
    format: "cjs",
    external: ["vscode"],
  },
  {
    ...common,
    entryPoints: { webview: "extension/webview/main.ts" },
    outdir: "dist",
    platform: "browser",
    target: "es2022",
    format: "iife",
  },
  {
    ...common,
    entryPoints: { webview: "extension/webview/style.css" },
    outdir: "dist",
    sourcemap: false,
  },
];

/** { scenario: [file, ...] }, for every folder of scenarios/ that has a scenario.json. */
export async function writeScenarioIndex(scenarios = path.join(root, "scenarios"), dist = path.join(root, "dist")) {
  const files = await readdir(scenarios, { recursive: true, withFileTypes: true }).catch(() => []);
  const index = {};
  for (const file of files.filter((entry) => entry.isFile())) {
    const [name, ...rest] = path
      .relative(scenarios, path.join(file.parentPath ?? file.path, file.name))
      .split(path.sep);
    if (rest.length > 0) (index[name] ??= []).push(rest.join("/"));
  }
  const complete = Object.entries(index).filter(([, names]) => names.includes("scenario.json"));
  const sorted = complete.map(([name, names]) => [name, names.sort()]).sort(([a], [b]) => (a < b ? -1 : 1));
  await mkdir(dist, { recursive: true });
  await writeFile(path.join(dist, "scenarios.json"), JSON.stringify(Object.fromEntries(sorted)));
}

/** Makes `npx ringside` start at once: npm links a package's commands into its dependents, not into itself. */
async function linkCommand() {
  const bin = path.join(root, "node_modules", ".bin");
  await mkdir(bin, { recursive: true });
  const link = path.join(bin, "ringside");
  await rm(link, { force: true });
  await symlink(path.join("..", "..", "dist", "ringside.cjs"), link).catch(() => {});
  await chmod(path.join(root, "dist", "ringside.cjs"), 0o755);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeScenarioIndex();
  if (process.argv.includes("--watch")) {
    for (const bundle of bundles) await (await esbuild.context(bundle)).watch();
  } else {
    await rm(path.join(root, "dist", "cache"), { recursive: true, force: true });
    const built = await Promise.all(bundles.map((bundle) => esbuild.build({ ...bundle, metafile: true })));
    await writeLicences(
      root,
      built.map(({ metafile }) => metafile),
    );
    await linkCommand();
  }
}
