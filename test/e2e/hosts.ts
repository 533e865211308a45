/** The two kinds of real VS Code that the tests run in, each behind an address for a browser. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { installCodeServer } from "../../scripts/e2e-code-server.mjs";
import { serveWorkbench } from "../../scripts/web-workbench.mjs";
import { type StagedExtension, temporaryFolder } from "./stage.ts";

export interface Host {
  readonly url: string;
  close(): Promise<void>;
}

export interface HostOptions {
  readonly extensions: readonly StagedExtension[];
  readonly settings?: Readonly<Record<string, unknown>>;
}

export type HostKind = "web" | "desktop";

/** The same in both hosts, so that one test and one picture serve both. */
const settings = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.enableExperiments": false,
  "security.workspace.trust.enabled": false,
  "extensions.ignoreRecommendations": true,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "window.commandCenter": false,
  "editor.minimap.enabled": false,
  "git.enabled": false,
  "telemetry.telemetryLevel": "off",
};

/** VS Code for the web: everything in the browser, extensions in a worker. */
async function webHost(options: HostOptions): Promise<Host> {
  return serveWorkbench({
    extensions: options.extensions.map(({ folder }) => folder),
    folder: "ringside-scenarios:/scenarios",
    settings: { ...settings, ...options.settings },
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function untilAnswers(url: string, alive: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300 && alive(); tries++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`code-server does not answer on ${url}`);
}

/** code-server: the workbench in a browser, extensions in a Node process, as on the desktop. */
async function desktopHost(options: HostOptions): Promise<Host> {
  const entry = await installCodeServer();
  const home = temporaryFolder("desktop");
  const workspace = path.join(home, "workspace");
  mkdirSync(path.join(home, "data", "User"), { recursive: true });
  cpSync(path.join(options.extensions[0]!.folder, "scenarios"), workspace, { recursive: true });
  writeFileSync(path.join(home, "data", "User", "settings.json"), JSON.stringify({ ...settings, ...options.settings }));
  const places = [`--user-data-dir=${path.join(home, "data")}`, `--extensions-dir=${path.join(home, "extensions")}`];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    XDG_CONFIG_HOME: path.join(home, "config"),
    XDG_DATA_HOME: path.join(home, "share"),
  };
  for (const extension of options.extensions) {
    const install = [entry, ...places, "--install-extension", extension.vsix(), "--force"];
    const done = spawnSync(process.execPath, install, { encoding: "utf8", env });
    if (done.status !== 0) throw new Error(`installing an extension failed:\n${done.stdout}\n${done.stderr}`);
  }
  const port = await freePort();
  const quiet = [
    "--disable-telemetry",
    "--disable-update-check",
    "--disable-workspace-trust",
    "--disable-getting-started-override",
  ];
  const serve = [entry, ...places, "--auth", "none", "--bind-addr", `127.0.0.1:${port}`, ...quiet];
  const server = spawn(process.execPath, serve, { stdio: "ignore", env });
  const url = `http://127.0.0.1:${port}/`;
  await untilAnswers(`${url}healthz`, () => server.exitCode === null);
  const close = () =>
    new Promise<void>((resolve) => {
      server.once("exit", () => {
        rmSync(home, { recursive: true, force: true, maxRetries: 3 });
        resolve();
      });
      server.kill();
    });
  return { url: `${url}?folder=${encodeURIComponent(workspace)}`, close };
}

export const startHost: Readonly<Record<HostKind, (options: HostOptions) => Promise<Host>>> = {
  web: webHost,
  desktop: desktopHost,
};
