/** Oracles come from the system. A test that lacks one is skipped with a line that says so; with CI set it fails instead. */
import { spawnSync } from "node:child_process";

const seen = new Map<string, boolean>();

/** Is the command `name` there? Use as `describe.runIf(requireTool("nasm"))`. */
export function requireTool(name: string, probe: readonly string[] = ["--version"]): boolean {
  const known = seen.get(name);
  if (known !== undefined) return known;
  const found = spawnSync(name, [...probe], { stdio: "ignore" }).error === undefined;
  if (!found && process.env.CI) throw new Error(`${name} is not installed, and CI runs every oracle`);
  if (!found) console.warn(`skipped: tests that need ${name}, which is not installed`);
  seen.set(name, found);
  return found;
}
