/** The host's files for the debugger and the guest: apart from what needs no kernel, so that the assembler starts without one. */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { readFile as readLater, stat } from "node:fs/promises";
import path from "node:path";
import type { FileSystem } from "../adapter/debug/files.ts";
import { PAGE_SIZE } from "../emu/cpu/memory.ts";
import { ROOT_BYTES } from "../emu/kernel/fs/root.ts";
import { isReadable, pathOf, reason, uriOf } from "./files.ts";
import { UsageError } from "./usage.ts";

/** Files as the debugger asks for them: by URI. undefined = there is none. */
export const hostFiles: FileSystem = {
  get folder() {
    return uriOf(process.cwd());
  },
  async read(uri: string): Promise<Uint8Array | undefined> {
    try {
      return isReadable(await stat(pathOf(uri))) ? await readLater(pathOf(uri)) : undefined;
    } catch {
      return undefined;
    }
  },
  async readTree(uri) {
    try {
      return readTree(pathOf(uri));
    } catch (error) {
      return (error as Error).message;
    }
  },
};

/** Every file under `dir` by its absolute guest path, for --root. What links lead to outside of it is not there. */
export function readTree(dir: string): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  let left = ROOT_BYTES;
  /** Whatever has a name takes a page: directories that link to each other end, too. */
  const charge = (size: number): void => {
    left -= Math.max(size, PAGE_SIZE);
    if (left < 0)
      throw new UsageError(`${dir} holds more than ${ROOT_BYTES} bytes, or ${ROOT_BYTES / PAGE_SIZE} names`);
  };
  /** `above`: the directories on the way, where a link may lead back to. */
  const walk = (guest: string, host: string, above: readonly string[]) => {
    for (const name of readdirSync(host)) {
      const below = resolved(path.join(host, name));
      if (below === undefined || !isWithin(above[0]!, below)) continue;
      const found = statSync(below);
      charge(found.isFile() ? found.size : 0);
      if (found.isDirectory() && !above.includes(below)) walk(`${guest}/${name}`, below, [...above, below]);
      else if (found.isFile()) files[`${guest}/${name}`] = readFileSync(below);
    }
  };
  try {
    const root = realpathSync(dir);
    walk("", root, [root]);
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`cannot read ${dir}: ${reason(error)}`);
  }
  return files;
}

const isWithin = (dir: string, place: string): boolean => {
  const relative = path.relative(dir, place);
  return relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
};

/** Where a name leads; undefined for a link to nothing. */
function resolved(place: string): string | undefined {
  try {
    return realpathSync(place);
  } catch {
    return undefined;
  }
}
