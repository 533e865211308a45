/** Runs one selftest on a whole system, and judges its transcript. */
import { readFileSync } from "node:fs";
import { createSystem } from "../../../src/emu/kernel/system.ts";
import type { StopReason } from "../../../src/emu/machine/types.ts";
import type { Target } from "./expected.ts";

export type { Target };
export interface Outcome {
  /** "" = passed. */
  readonly why: string;
  readonly transcript: string;
  readonly missing: readonly string[];
}

const BUDGET = 400_000_000;
const SLICE = 2_000_000;

export function runSelftest(
  file: string,
  { arch, vendor, designs = {}, preset = "linux-6.1" }: Target,
  seconds = 120,
  cpus = 2,
): Outcome {
  const name = file.split("/").at(-1)!;
  const system = createSystem({
    arch,
    cpu: { vendor, model: "current", quirks: [] },
    cpus,
    preset,
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
  // of the processor, not of the clock: others may use it too
  const end = process.cpuUsage().user + seconds * 1e6;
  let stop = system.run(SLICE);
  while (stop.kind === "budget" && system.machine.icount < BUDGET && process.cpuUsage().user < end)
    stop = system.run(SLICE);
  return { why: judge(stop, transcript, [...missing]), transcript, missing: [...missing] };
}

function judge(stop: StopReason, transcript: string, missing: readonly string[]): string {
  const failed = transcript.split("\n").filter((line) => line.includes("[FAIL]"));
  if (failed.length > 0) return `${failed.length} FAIL: ${failed[0]!.trim()}`;
  if (stop.kind === "budget") return "does not finish";
  if (stop.kind !== "exit") return `stopped: ${"why" in stop ? stop.why : stop.kind}`;
  if (stop.status !== 0) return `exit status ${stop.status}`;
  // what Linux has and this kernel has not makes a test skip what it is there for
  return missing.length === 0 ? "" : "finishes, but lacks calls";
}
