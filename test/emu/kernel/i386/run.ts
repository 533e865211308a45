/** Runs a 32-bit program, given as GNU source, on the i386 kernel. */
import { assemble, link } from "../../../../src/asmlang/index.ts";
import { createSystem, type System } from "../../../../src/emu/kernel/system.ts";
import type { SystemOptions } from "../../../../src/emu/kernel/types.ts";
import type { MachineEvent, StopReason } from "../../../../src/emu/machine/types.ts";

export interface Prepared {
  readonly system: System;
  /** All events from the first instruction on. */
  readonly events: MachineEvent[];
  /** What the program wrote. */
  output(): string;
}
export interface Result extends Prepared {
  readonly stop: StopReason;
  /** Exit status, or -1 if the program did not end. */
  readonly status: number;
}

const DEFAULTS: Omit<SystemOptions, "program"> = {
  arch: "i386",
  cpu: { vendor: "intel", model: "current", quirks: [] },
  cpus: 1,
  preset: "linux-6.1",
  designs: {},
  args: [],
  env: {},
  stdin: new Uint8Array(),
  seed: 1,
  ramSize: 64 * 2 ** 20,
  files: {},
  inject: [],
};

export function prepareElf(bytes: Uint8Array, options: Partial<SystemOptions> = {}): Prepared {
  return listen(createSystem({ ...DEFAULTS, ...options, program: { kind: "elf", name: "program", bytes } }));
}

export function prepare(text: string, options: Partial<SystemOptions> = {}): Prepared {
  const object = assemble({ uri: "program.s", text }, { dialect: "gas", bits: 32 });
  const image = link([object]);
  const problem = [...object.diagnostics, ...image.diagnostics][0];
  if (problem !== undefined) throw new Error(`line ${problem.range.line + 1}: ${problem.message}`);
  return listen(createSystem({ ...DEFAULTS, ...options, program: { kind: "image", name: "program", image } }));
}

function listen(system: System): Prepared {
  const events: MachineEvent[] = [];
  system.machine.events.listen((event) => events.push(event));
  const console = () => events.filter((event) => event.type === "console");
  return { system, events, output: () => console().map(text).join("") };
}
const text = (event: MachineEvent): string => {
  const { bytes } = event as MachineEvent & { bytes?: unknown };
  return bytes instanceof Uint8Array ? new TextDecoder("latin1").decode(bytes) : "";
};

export function finish(prepared: Prepared, max: number): Result {
  const stop = prepared.system.run(max);
  return { ...prepared, stop, status: stop.kind === "exit" ? stop.status : -1 };
}

export const runI386 = (text: string, options: Partial<SystemOptions> = {}): Result =>
  finish(prepare(text, options), 100_000);
