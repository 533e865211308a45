/** The guests of ../guests, as sources for Ringside and as native executables for the others. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { FileSystem } from "../../../src/adapter/debug/files.ts";

export type GuestName = "alu" | "sieve" | "crc" | "count";

const folder = (root: string): string => path.join(root, "test/bench/guests");
const FOLDER_URI = "file:///guests";
export const guestUri = (name: GuestName): string => `${FOLDER_URI}/${name}.asm`;

/** More iterations than any measurement runs. */
const ENDLESS = 1_000_000_000;
const source = (root: string, name: GuestName, rounds = ENDLESS): string =>
  `%define BITS 64\n%define N ${rounds}\n${readFileSync(path.join(folder(root), `${name}.asm`), "utf8")}`;

/** The guests' sources by URI, as a client of the adapter would serve them. */
export function guestFiles(root: string): FileSystem {
  const encoder = new TextEncoder();
  return {
    async read(uri) {
      const name = path.basename(uri);
      if (name === "defs.inc") return readFileSync(path.join(folder(root), name));
      return encoder.encode(source(root, path.basename(name, ".asm") as GuestName));
    },
  };
}

/** Assembles and links a guest with `nasm` and `ld`; undefined where these are missing. */
export function nativeGuest(root: string, name: GuestName, directory: string, rounds = ENDLESS): string | undefined {
  const text = path.join(directory, `${name}-${rounds}.asm`);
  const program = path.join(directory, `${name}-${rounds}`);
  writeFileSync(text, source(root, name, rounds));
  const made =
    spawnSync("nasm", ["-f", "elf64", `-I${folder(root)}/`, text, "-o", `${program}.o`]).status === 0 &&
    spawnSync("ld", [`${program}.o`, "-o", program]).status === 0;
  return made ? program : undefined;
}
