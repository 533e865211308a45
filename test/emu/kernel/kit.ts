/** Runs programs on a whole system and keeps what they print and what the timeline says. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { assemble, link, writeElfExecutable } from "../../../src/asmlang/index.ts";
import type { Image } from "../../../src/asmlang/types.ts";
import { createSystem, type System } from "../../../src/emu/kernel/system.ts";
import type { Program, SystemOptions } from "../../../src/emu/kernel/types.ts";
import type { MachineEvent, StopReason } from "../../../src/emu/machine/types.ts";

export type Options = Partial<Omit<SystemOptions, "program">>;

/** Assembles a GNU source that must be right. */
export function image(text: string, bits: 32 | 64 = 64): Image {
  const result = assemble({ uri: "test.s", text }, { dialect: "gas", bits });
  const linked = link([result]);
  const problem = [...result.diagnostics, ...linked.diagnostics].find((d) => d.severity === "error");
  if (problem !== undefined) throw new Error(`line ${problem.range.line + 1}: ${problem.message}`);
  return linked;
}

export function system(program: Program, options: Options = {}): System {
  return createSystem({
    arch: "x86_64",
    cpu: { vendor: "intel", model: "current", quirks: [] },
    cpus: 2,
    preset: "linux-6.1",
    designs: {},
    args: [],
    env: {},
    stdin: new Uint8Array(0),
    seed: 1,
    ramSize: 128 << 20,
    files: {},
    inject: [],
    ...options,
    program,
  });
}

export interface Ran {
  readonly stop: StopReason;
  readonly stdout: Uint8Array;
  readonly text: string;
  readonly events: readonly MachineEvent[];
  readonly system: System;
}

export function watch(target: System): { readonly events: MachineEvent[]; stdout(): Uint8Array } {
  const events: MachineEvent[] = [];
  target.machine.events.listen((event) => {
    events.push(event);
  });
  return {
    events,
    stdout: () => Buffer.concat(events.filter((e) => e.type === "console").map((e) => e.bytes as Uint8Array)),
  };
}

export function run(program: Program, options: Options = {}, max = 20_000_000): Ran {
  const target = system(program, options);
  const seen = watch(target);
  const stop = target.run(max);
  const stdout = seen.stdout();
  return { stop, stdout, text: new TextDecoder().decode(stdout), events: seen.events, system: target };
}

export const source = (text: string, bits: 32 | 64 = 64): Program => ({
  kind: "image",
  name: "test",
  image: image(text, bits),
});
export const elf = (bytes: Uint8Array, name = "test"): Program => ({ kind: "elf", name, bytes });

export interface Native {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: Uint8Array;
}

function inFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), "ringside-"));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs an ELF file on the host's own kernel. */
export function native(
  bytes: Uint8Array,
  args: readonly string[] = [],
  input = "",
  env: Readonly<Record<string, string>> = {},
): Native {
  return inFolder((folder) => {
    const file = path.join(folder, "program");
    writeFileSync(file, bytes, { mode: 0o755 });
    const { status, signal, stdout } = spawnSync(file, [...args], { input, env });
    return { status, signal, stdout };
  });
}
export const nativeImage = (text: string, bits: 32 | 64): Native => native(writeElfExecutable(image(text, bits)));

/** A static program from C. */
export function compile(text: string, ...flags: string[]): Uint8Array {
  return inFolder((folder) => {
    const [c, out] = [path.join(folder, "program.c"), path.join(folder, "program")];
    writeFileSync(c, text);
    const { status, stderr } = spawnSync(
      "gcc",
      ["-O1", ...(flags.includes("-static-pie") ? [] : ["-static"]), ...flags, "-o", out, c],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    return readFileSync(out);
  });
}

export const exits = (events: readonly MachineEvent[]) => events.filter((e) => e.type === "exit" && e.toCpl === 3);
export const entries = (events: readonly MachineEvent[]) => events.filter((e) => e.type === "entry" && e.fromCpl === 3);
