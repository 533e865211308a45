// `npm start`: opens an editor with the extension and the scenarios. VS Code or VSCodium if one is installed, else VS Code for the web.
//   --web       VS Code for the web, whatever is installed      --port N   its port (default 8765, or a free one if that is taken)
//   --no-open   print the address, open no browser (also when CI is set)
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { serveWorkbench } from "./web-workbench.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const windows = process.platform === "win32";

function findCommand(names) {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const endings = windows ? [".cmd", ".exe"] : [""];
  const files = names.flatMap((name) =>
    folders.flatMap((folder) => endings.map((end) => path.join(folder, name + end))),
  );
  return files.find((file) => existsSync(file));
}

function buildIfNeeded() {
  const made = [
    "ringside.cjs",
    "ringside-main.cjs",
    "web-worker.js",
    "extension.cjs",
    "extension-web.js",
    "webview.js",
  ];
  if (made.every((name) => existsSync(path.join(root, "dist", name)))) return;
  const { status } = spawnSync(process.execPath, [path.join(root, "scripts", "build.mjs")], { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}

function openDesktop(command) {
  console.log(`Opening ${command} with the extension and the scenarios.`);
  const args = [`--extensionDevelopmentPath=${root}`, path.join(root, "scenarios")];
  spawn(command, args, { stdio: "inherit", shell: windows }).on("exit", (status) => process.exit(status ?? 0));
}

function openBrowser(url) {
  const [command, args] =
    process.platform === "darwin" ? ["open", [url]] : windows ? ["cmd", ["/c", "start", "", url]] : ["xdg-open", [url]];
  const opener = spawn(command, args, { stdio: "ignore", detached: true });
  opener.on("error", () => console.log("No browser could be opened: open the address yourself."));
  opener.unref();
}

async function openWeb(port, mayOpen) {
  const options = { extensions: [root], folder: "ringside-scenarios:/scenarios" };
  const taken = (error) => {
    if (error.code !== "EADDRINUSE") throw error;
    return serveWorkbench(options);
  };
  const { url } = await serveWorkbench({ ...options, port }).catch(taken);
  console.log(`VS Code for the web, with the extension and the scenarios: ${url}`);
  console.log("Open a scenario's program and press F5. Ctrl+C here stops the server.");
  if (mayOpen) openBrowser(url);
}

const { values } = parseArgs({
  options: { web: { type: "boolean" }, "no-open": { type: "boolean" }, port: { type: "string", default: "8765" } },
});
buildIfNeeded();
const desktop = values.web ? undefined : findCommand(["code", "codium"]);
if (desktop !== undefined) openDesktop(desktop);
else await openWeb(Number(values.port), !values["no-open"] && !process.env.CI);
