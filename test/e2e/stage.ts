/** Extensions ready for a host: ours as built, or ours with the mock adapter and language server in its bundles. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import * as esbuild from "esbuild";
import { writeScenarioIndex } from "../../scripts/build.mjs";

export const root = path.resolve(import.meta.dirname, "../..");
const fixtures = path.join(import.meta.dirname, "fixtures");

export interface StagedExtension {
  /** Folder with package.json. */
  readonly folder: string;
  /** Makes a VSIX of it. */
  vsix(): string;
}

export function temporaryFolder(name: string): string {
  return mkdtempSync(path.join(os.tmpdir(), `ringside-${name}-`));
}

function vsixOf(folder: string): string {
  const file = path.join(temporaryFolder("vsix"), `${path.basename(folder)}.vsix`);
  const vsce = path.join(root, "node_modules", "@vscode", "vsce", "vsce");
  const options = ["--no-dependencies", "--no-rewrite-relative-links", "--allow-missing-repository", "--skip-license"];
  const made = spawnSync(process.execPath, [vsce, "package", ...options, "--out", file], {
    cwd: folder,
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`vsce failed in ${folder}:\n${made.stdout}\n${made.stderr}`);
  return file;
}

const staged = (folder: string): StagedExtension => ({ folder, vsix: () => vsixOf(folder) });

export function realExtension(): StagedExtension {
  return staged(root);
}

/** A copy of an extension with one scenario more. */
export async function withScenario(
  extension: StagedExtension,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<StagedExtension> {
  const folder = temporaryFolder("staged");
  for (const part of [
    "package.json",
    "README.md",
    ".vscodeignore",
    "dist",
    "extension/media",
    "syntaxes",
    "scenarios",
  ]) {
    if (existsSync(path.join(extension.folder, part))) {
      cpSync(path.join(extension.folder, part), path.join(folder, part), { recursive: true });
    }
  }
  mkdirSync(path.join(folder, "scenarios", name), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, "scenarios", name, file), text);
  await writeScenarioIndex(path.join(folder, "scenarios"), path.join(folder, "dist"));
  return staged(folder);
}

/** The other extension of the tests. */
export function bystander(): StagedExtension {
  return staged(path.join(fixtures, "bystander"));
}

/** Everything of ours that is there, but the two bundles that hold the debug adapter and the language server. */
export async function mockExtension(): Promise<StagedExtension> {
  const folder = temporaryFolder("mock");
  mkdirSync(path.join(folder, "dist"));
  for (const name of ["extension.cjs", "extension-web.js", "webview.js", "webview.css"]) {
    cpSync(path.join(root, "dist", name), path.join(folder, "dist", name));
  }
  for (const name of ["extension/media", "syntaxes", ".vscodeignore"]) {
    if (existsSync(path.join(root, name))) cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  cpSync(path.join(fixtures, "scenarios"), path.join(folder, "scenarios"), { recursive: true });
  writeFileSync(path.join(folder, "README.md"), "The extension with a mock adapter, for tests.\n");
  const { scripts: _, ...manifest } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest));
  await writeScenarioIndex(path.join(folder, "scenarios"), path.join(folder, "dist"));
  const common = { bundle: true, minify: true, logLevel: "warning" } as const;
  await esbuild.build({
    ...common,
    entryPoints: [path.join(fixtures, "mock", "worker.ts")],
    outfile: path.join(folder, "dist", "web-worker.js"),
    platform: "browser",
  });
  await esbuild.build({
    ...common,
    entryPoints: [path.join(fixtures, "mock", "cli.ts")],
    outfile: path.join(folder, "dist", "ringside.cjs"),
    platform: "node",
    format: "cjs",
  });
  return staged(folder);
}
