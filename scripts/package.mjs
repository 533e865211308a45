// `npm run package`: builds, and makes the VSIX (ringside-VERSION.vsix, or --out FILE). Everything is bundled, so no node_modules go in.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const { values } = parseArgs({ options: { out: { type: "string", default: `ringside-${version}.vsix` } } });

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

run([path.join("scripts", "build.mjs")]);
const vsce = path.join("node_modules", "@vscode", "vsce", "vsce");
run([
  vsce,
  "package",
  "--no-dependencies",
  "--no-rewrite-relative-links",
  "--allow-missing-repository",
  "--out",
  values.out,
]);
