/** What a program, a source or a folder may make the command read of the host: files only, and of a guest's root only what lies in it. */
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { includeBytes, uriOf } from "../../src/cli/files.ts";
import { hostFiles, readTree } from "../../src/cli/host-files.ts";
import { file, ringside, scratch } from "./tool.ts";

describe("what a source names", () => {
  const ENDLESS = ["/dev/zero", "/dev/stdin"];

  it.runIf(process.platform === "linux").each(ENDLESS)("%s is no file to include", (device) => {
    const dir = scratch();
    for (const [name, text] of [
      ["a.asm", `incbin "${device}"`],
      ["b.asm", `%include "${device}"`],
      ["c.s", ` .incbin "${device}"`],
      ["d.s", ` .include "${device}"`],
    ] as const) {
      const run = ringside(["asm", "-o", path.join(dir, "out"), file(dir, name, `${text}\n`)]);
      expect({ name, status: run.status }).toEqual({ name, status: 1 });
      expect(run.stderr).toContain(device);
    }
  });

  it.runIf(process.platform === "linux")("nor is a pipe that nobody writes to, for the debugger either", async () => {
    const dir = scratch();
    const pipe = path.join(dir, "pipe");
    expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
    expect(includeBytes([])("pipe", uriOf(path.join(dir, "a.asm")))).toBeUndefined();
    expect(await hostFiles.read(uriOf(pipe))).toBeUndefined();
    expect(await hostFiles.read(uriOf("/dev/zero"))).toBeUndefined();
    expect(await hostFiles.read(uriOf(dir))).toBeUndefined();
    expect(await hostFiles.read(uriOf(file(dir, "there", "x")))).toEqual(Buffer.from("x"));
  });
});

describe("a folder that becomes the guest's root", () => {
  it("holds what lies in it, by links too", () => {
    const dir = scratch();
    mkdirSync(path.join(dir, "usr"));
    file(dir, "usr/a", "A");
    symlinkSync("usr", path.join(dir, "bin"));
    symlinkSync("usr/a", path.join(dir, "b"));
    symlinkSync("nowhere", path.join(dir, "c"));
    expect(Object.keys(readTree(dir)).sort()).toEqual(["/b", "/bin/a", "/usr/a"]);
  });

  it("has nothing from outside of it", () => {
    const dir = scratch();
    const outside = scratch();
    file(outside, "secret", "S");
    symlinkSync(outside, path.join(dir, "folder"));
    symlinkSync(path.join(outside, "secret"), path.join(dir, "link"));
    symlinkSync("/dev/zero", path.join(dir, "zero"));
    symlinkSync("..", path.join(dir, "up"));
    expect(readTree(dir)).toEqual({});
  });

  it("ends where links lead back, and where folders link to each other without end", () => {
    const dir = scratch();
    symlinkSync(".", path.join(dir, "again"));
    file(dir, "a", "A");
    expect(Object.keys(readTree(dir))).toEqual(["/a"]);
    const names = Array.from({ length: 12 }, (_, i) => `d${i}`);
    for (const name of names) mkdirSync(path.join(dir, name));
    for (const from of names) for (const to of names) symlinkSync(`../${to}`, path.join(dir, from, to));
    expect(() => readTree(dir)).toThrow(/holds more than 268435456 bytes, or 65536 names/);
  });
});
