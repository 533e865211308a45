/** Boots a test386 ROM on the bare machine. It reports its progress on a POST port, and stops at a HLT, the last one at POST FF. */
import type { CpuModel } from "../../../src/emu/cpu/cpu.ts";
import { SEG } from "../../../src/emu/cpu/layout.ts";
import { createBareMachine } from "../../../src/emu/machine/bare.ts";
import type { StopReason } from "../../../src/emu/machine/types.ts";

const RAM = 2 << 20;

export interface Test386Options {
  readonly model: CpuModel;
  readonly postPort: number;
  readonly maxInstructions: number;
  readonly post?: (code: number) => void;
}

export interface Test386Result {
  /** -1 when there was none. */
  readonly lastPost: number;
  readonly stop: StopReason;
  readonly instructions: number;
  /** What the ROM wrote to port E9 or COM1. */
  readonly output: Uint8Array;
  /** CS and EIP at the end. */
  readonly at: string;
}

export function runTest386(
  image: Uint8Array,
  { model, postPort, maxInstructions, post }: Test386Options,
): Test386Result {
  const machine = createBareMachine({ load: "rom", image, ramSize: RAM, cpu: model, cpus: 1, seed: 1, postPort });
  let lastPost = -1;
  const output: number[] = [];
  machine.events.listen((event) => {
    if (event.type === "post") {
      lastPost = Number(event.value);
      post?.(lastPost);
    } else if (event.type === "console") output.push(...(event.bytes as number[]));
  });
  const stop = machine.run(maxInstructions);
  const [cpu] = machine.cpus;
  const at = `${cpu!.selector(SEG.CS).toString(16)}:${cpu!.rip.toString(16)}`;
  return { lastPost, stop, instructions: machine.icount, output: Uint8Array.from(output), at };
}
