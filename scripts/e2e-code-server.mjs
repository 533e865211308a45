// Installs code-server (VS Code's own workbench and Node extension host, in a browser) for the desktop kind of the end-to-end tests.
//   node scripts/e2e-code-server.mjs      prints the entry file's path; does nothing when it is installed already
// It lives in the user's cache directory, never in the repository. Native modules are built here instead of downloaded:
// that needs a C++ compiler, python3, libkrb5-dev and ripgrep from the system.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const codeServerVersion = "4.100.3";

/** Where tools too big for node_modules are kept; RINGSIDE_CACHE overrides. */
export function cacheDirectory() {
  const base = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  return process.env.RINGSIDE_CACHE || path.join(base, "ringside");
}

const home = path.join(cacheDirectory(), `code-server-${codeServerVersion}`);
const packageRoot = path.join(home, "node_modules", "code-server");
const vscodeRoot = path.join(packageRoot, "lib", "vscode");
const finished = path.join(home, "installed");

/** The entry file if code-server is installed. */
export function installedCodeServer() {
  return existsSync(finished) ? path.join(packageRoot, "out", "node", "entry.js") : undefined;
}

function run(command, args, cwd) {
  const shown = `${command} ${args.join(" ")}`;
  process.stderr.write(`code-server: ${shown}\n`);
  const env = { ...process.env, npm_config_audit: "false", npm_config_fund: "false", npm_config_yes: "true" };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${shown} failed in ${cwd}\n${`${stdout}\n${stderr}`.slice(-4000)}`);
}

function systemRipgrep() {
  const found = (process.env.PATH ?? "").split(path.delimiter).map((dir) => path.join(dir, "rg"));
  const rg = found.find((file) => existsSync(file));
  if (rg === undefined) throw new Error("ripgrep (rg) is not installed");
  return rg;
}

async function replaceLink(target, link) {
  await rm(link, { force: true, recursive: true });
  await mkdir(path.dirname(link), { recursive: true });
  await symlink(target, link);
}

/** Modules that VS Code's server loads and that have a binding.gyp: found, not listed, so that a new version needs no edit. */
async function nativeModules(root) {
  const modules = path.join(root, "node_modules");
  const names = [];
  for (const name of await readdir(modules)) {
    const inner = name.startsWith("@")
      ? (await readdir(path.join(modules, name))).map((part) => `${name}/${part}`)
      : [name];
    names.push(...inner);
  }
  return names.filter((name) => !name.includes("windows") && existsSync(path.join(modules, name, "binding.gyp")));
}

/** Makes code-server runnable and returns its entry file. */
export async function installCodeServer() {
  const installed = installedCodeServer();
  if (installed !== undefined) return installed;
  const ripgrep = systemRipgrep();
  await mkdir(home, { recursive: true });
  await writeFile(path.join(home, "package.json"), JSON.stringify({ private: true, name: "ringside-e2e-host" }));
  if (!existsSync(packageRoot)) run("npm", ["install", "--ignore-scripts", `code-server@${codeServerVersion}`], home);
  run("npm", ["install", "--omit=dev", "--ignore-scripts"], vscodeRoot);
  run("npm", ["install", "--omit=dev", "--ignore-scripts"], path.join(vscodeRoot, "extensions"));
  const argon2 = [path.join(home, "node_modules", "argon2"), path.join(packageRoot, "node_modules", "argon2")];
  run("npx", ["node-pre-gyp", "install", "--build-from-source"], argon2.find((dir) => existsSync(dir)) ?? argon2[0]);
  for (const name of await nativeModules(vscodeRoot)) run("npm", ["rebuild", name], vscodeRoot);
  await replaceLink(ripgrep, path.join(vscodeRoot, "node_modules", "@vscode", "ripgrep", "bin", "rg"));
  await replaceLink("node_modules", path.join(vscodeRoot, "node_modules.asar"));
  await writeFile(finished, `${codeServerVersion}\n`);
  return /** @type {string} */ (installedCodeServer());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await installCodeServer());
