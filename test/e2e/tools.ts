/** What the end-to-end tests need of the machine: Chromium, and for the desktop kind code-server (scripts/e2e-code-server.mjs). */
import { existsSync } from "node:fs";
import path from "node:path";
import { describe } from "vitest";
import { installedCodeServer } from "../../scripts/e2e-code-server.mjs";
import { requireTool } from "../tools.ts";
import type { HostKind } from "./hosts.ts";

function findChromium(): string {
  const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const files = names.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return process.env.RINGSIDE_CHROMIUM ?? files.find((file) => existsSync(file)) ?? "chromium";
}

export const chromiumPath = findChromium();
const hasChromium = requireTool(chromiumPath);

/** With CI set code-server is installed when it is missing; elsewhere nobody expects a test to build it. */
const hasDesktop = hasChromium && (installedCodeServer() !== undefined || Boolean(process.env.CI));
if (hasChromium && !hasDesktop) {
  console.warn(
    "skipped: tests in the desktop kind of VS Code; `node scripts/e2e-code-server.mjs` installs what they need",
  );
}

/** The tests of `body` once for each kind of VS Code; skipped for a kind that is not to be had here. */
export function describeKinds(name: string, body: (kind: HostKind) => void): void {
  describe.runIf(hasChromium)(`${name}, web`, () => body("web"));
  describe.runIf(hasDesktop)(`${name}, desktop`, () => body("desktop"));
}
