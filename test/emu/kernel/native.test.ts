/** Programs in C of our own that use files, pipes, sockets, timers, execve, ptrace and job control, static and dynamic: the same output and status here as on the host's kernel. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { system, watch } from "./kit.ts";

const dir = mkdtempSync(path.join(tmpdir(), "ringside-native-"));
afterAll(() => rmSync(dir, { recursive: true }));

const TARGETS = [
  { bits: 64, arch: "x86_64", vendor: "intel" },
  { bits: 32, arch: "x86_64", vendor: "amd" },
  { bits: 32, arch: "i386", vendor: "intel" },
] as const;
type Target = (typeof TARGETS)[number];
/** Position independent, and at an address of its own. */
const LINKS = ["-pie", "-no-pie"];
const BUDGET = 20_000_000;

function build(name: string, bits: number, link: readonly string[] = ["-static"]): string {
  const file = path.join(dir, `${name}_${bits}${link.join("")}`);
  const source = path.join(import.meta.dirname, "native", `${name}.c`);
  execFileSync("gcc", [`-m${bits}`, "-O1", "-std=gnu11", ...link, "-pthread", "-w", "-o", file, source]);
  return file;
}

/** The dynamic linker and the libraries that a program is started with, where the host has them; libm, which it loads later, beside libc. */
function libraries(file: string): Record<string, Uint8Array> {
  const names = [...execFileSync("ldd", [file], { encoding: "utf8" }).matchAll(/\/\S+/g)].map(([name]) => name);
  const libc = names.find((name) => name.includes("libc.so"))!;
  return Object.fromEntries([...names, libc.replace("libc.so", "libm.so")].map((name) => [name, readFileSync(name)]));
}

function here(
  file: string,
  { arch, vendor }: Target,
  files: Record<string, Uint8Array> = {},
): { status: number | null; output: string } {
  const target = system(
    { kind: "elf", name: path.basename(file), bytes: readFileSync(file) },
    { arch, cpu: { vendor, model: "current", quirks: [] }, files },
  );
  const seen = watch(target);
  const stop = target.run(BUDGET);
  const output = new TextDecoder().decode(seen.stdout());
  return { status: stop.kind === "exit" ? stop.status : null, output };
}

describe.runIf(requireTool("gcc"))("as on the host", () => {
  describe.each(TARGETS)("$bits bit, $arch, $vendor", (target) => {
    test.each(["files", "pipes", "sockets", "exec", "ptrace", "jobs"])(
      "%s.c",
      (name) => {
        const file = build(name, target.bits);
        const cwd = mkdtempSync(path.join(dir, "empty-"));
        const { status, stdout } = spawnSync(file, [], { cwd, encoding: "utf8", timeout: 20_000 });
        expect(status).toBe(0);
        expect(here(file, target)).toEqual({ status, output: stdout });
      },
      60_000,
    );

    // a 32-bit kernel has programs of one size only
    test.each(target.arch === "x86_64" ? ["cross.c"] : [])(
      "%s",
      () => {
        const file = build("cross", target.bits);
        const other = build("cross", 96 - target.bits);
        const cwd = mkdtempSync(path.join(dir, "cross-"));
        copyFileSync(other, path.join(cwd, "other"));
        const { status, stdout } = spawnSync(file, [], { cwd, encoding: "utf8", timeout: 20_000 });
        expect(status).toBe(0);
        expect(here(file, target, { "/other": readFileSync(other) })).toEqual({ status, output: stdout });
      },
      60_000,
    );

    test.each(LINKS)(
      "dynamic.c %s",
      (link) => {
        const file = build("dynamic", target.bits, [link]);
        const cwd = mkdtempSync(path.join(dir, "empty-"));
        const { status, stdout } = spawnSync(file, [], { cwd, encoding: "utf8", timeout: 20_000 });
        expect(status).toBe(3);
        expect(here(file, target, libraries(file))).toEqual({ status, output: stdout });
      },
      60_000,
    );
  });
});
