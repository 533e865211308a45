/** A program under the debugger without its protocol: target, run control and history, as a launch makes them. */
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Breakpoints } from "../../../src/adapter/debug/breakpoints.ts";
import { readConfiguration } from "../../../src/adapter/debug/configuration.ts";
import { History } from "../../../src/adapter/debug/history.ts";
import { KernelHistory } from "../../../src/adapter/debug/kernel-view.ts";
import { createTarget } from "../../../src/adapter/debug/load.ts";
import { RunControl } from "../../../src/adapter/debug/run-control.ts";
import { canonicalText } from "../../../src/emu/machine/hash.ts";

/** @param launch attributes of a launch configuration; `program` is a path. @param budget bytes that history may take. */
export async function debuggee(launch: Record<string, unknown> & { readonly program: string }, budget = 64 << 20) {
  const configuration = readConfiguration({ ...launch, program: pathToFileURL(launch.program).href });
  const loaded = await createTarget(configuration, { read: async (uri) => readFileSync(fileURLToPath(uri)) });
  if (loaded.target === undefined) throw new Error(loaded.problem);
  const { target } = loaded;
  const breakpoints = new Breakpoints();
  const control = new RunControl(target, breakpoints);
  const observers = target.kernel === undefined ? [control] : [control, new KernelHistory(target, target.kernel)];
  const history = new History(target, observers, budget);
  control.recorder = history;
  return {
    target,
    control,
    breakpoints,
    history,
    /** The whole state: processors, memory, kernel and devices, and what the debugger has learnt on the way. */
    state: () => `${target.machine.hash()} ${canonicalText(observers.map((observer) => observer.save()))}`,
  };
}
