/** Runs one selftest on a whole system, and judges its transcript. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createSystem } from "../../../src/emu/kernel/system.ts";
import type { StopReason } from "../../../src/emu/machine/types.ts";

export interface Target {
  readonly arch: "x86_64" | "i386";
  readonly vendor: "intel" | "amd";
  readonly designs?: Readonly<Record<string, string>>;
}
export interface Outcome {
  /** "" = passed. */
  readonly why: string;
  readonly transcript: string;
  readonly missing: readonly string[];
}

const BUDGET = 400_000_000;
const SLICE = 2_000_000;

export function runSelftest(file: string, { arch, vendor, designs = {} }: Target, seconds = 60): Outcome {
  const name = file.split("/").at(-1)!;
  const system = createSystem({
    arch,
    cpu: { vendor, model: "current", quirks: [] },
    cpus: 2,
    preset: "linux-6.1",
    designs,
    program: { kind: "elf", name, bytes: readFileSync(file) },
    args: [],
    env: {},
    stdin: new Uint8Array(0),
    seed: 1,
    ramSize: 128 << 20,
    files: {},
    inject: [],
  });
  let transcript = "";
  const missing = new Set<string>();
  const decoder = new TextDecoder();
  system.machine.events.listen((event) => {
    if (event.type === "console") transcript += decoder.decode(event.bytes as Uint8Array);
    if (event.type === "unimplemented") missing.add(String(event.name));
  });
  const end = Date.now() + seconds * 1000;
  let stop = system.run(SLICE);
  while (stop.kind === "budget" && system.machine.icount < BUDGET && Date.now() < end) stop = system.run(SLICE);
  return { why: judge(stop, transcript, [...missing]), transcript, missing: [...missing] };
}

/** Asked for by single_step_syscall, which only counts its traps: number 39 is getpid on one table and mkdir on the other. */
const HARMLESS: readonly string[] = ["mkdir"];

function judge(stop: StopReason, transcript: string, missing: readonly string[]): string {
  const failed = transcript.split("\n").filter((line) => line.includes("[FAIL]"));
  if (failed.length > 0) return `${failed.length} FAIL: ${failed[0]!.trim()}`;
  if (stop.kind === "budget") return "does not finish";
  if (stop.kind !== "exit") return `stopped: ${"why" in stop ? stop.why : stop.kind}`;
  if (stop.status !== 0) return `exit status ${stop.status}`;
  // what Linux has and this kernel has not makes a test skip what it is there for
  const lacking = missing.filter((name) => !HARMLESS.includes(name));
  return lacking.length === 0 ? "" : "finishes, but lacks calls";
}

/** Addresses, process ids and times are not the test's. */
export const masked = (transcript: string): string =>
  transcript
    .replace(/0x[0-9a-f]+/gi, "0x#")
    .replace(/\b[0-9a-f]{8,16}\b/gi, "#")
    .replace(/\b\d{3,}\b/g, "#");

/** Lines that are not the same as the host's, once both are masked; undefined = the host does not run it to its end. */
export function differences(file: string, transcript: string): string[] | undefined {
  const { status, stdout } = spawnSync(file, [], { encoding: "utf8", timeout: 20_000 });
  if (status === null) return undefined;
  const [here, there] = [masked(transcript).split("\n"), masked(stdout).split("\n")];
  const count = Math.max(here.length, there.length);
  return Array.from({ length: count }, (_, i) =>
    here[i] === there[i] ? "" : `line ${i + 1}: here "${here[i] ?? ""}", on the host "${there[i] ?? ""}"`,
  ).filter((line) => line !== "");
}
