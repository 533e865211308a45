/** Runs the system's own assemblers on the same text. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export function inTemporaryFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), "ringside-asm-"));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function run(command: string, args: readonly string[], cwd: string): string {
  const done = spawnSync(command, [...args], { cwd, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stderr}${done.stdout}`);
  return done.stdout;
}

/** The object that `as` (through gcc's preprocessor if `cpp`) makes. */
export function gnuObject(text: string, bits: 32 | 64, cpp = false): Uint8Array {
  return inTemporaryFolder((folder) => {
    const name = cpp ? "a.S" : "a.s";
    writeFileSync(path.join(folder, name), text);
    if (cpp) run("gcc", [`-m${bits}`, "-c", name, "-o", "a.o"], folder);
    else run("as", [`--${bits}`, name, "-o", "a.o"], folder);
    return readFileSync(path.join(folder, "a.o"));
  });
}

/** What `nasm` makes, in one of its output formats. */
export function nasmOutput(
  text: string,
  format: "bin" | "elf32" | "elf64",
  args: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
): Uint8Array {
  return inTemporaryFolder((folder) => {
    writeFileSync(path.join(folder, "a.asm"), text);
    for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
    run("nasm", ["-f", format, ...args, "a.asm", "-o", "a.out"], folder);
    return readFileSync(path.join(folder, "a.out"));
  });
}
