/** The built `ringside` command, run as a user runs it. `npm test` builds it first. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const bundle = path.resolve(import.meta.dirname, "../../dist/ringside.cjs");

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function ringside(args: readonly string[], input = ""): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bundle, ...args], {
    input,
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

/** A folder of the test's own. */
export const scratch = (): string => mkdtempSync(path.join(tmpdir(), "ringside-"));

export function file(dir: string, name: string, contents: string | Uint8Array): string {
  const place = path.join(dir, name);
  writeFileSync(place, contents);
  return place;
}
