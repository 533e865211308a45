/**
 * Experiment "state that can go back": the whole machine and kernel saved at 200 random points of each scenario; restored there, it
 * runs on to the same events and the same hash.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { createScenarioSystem, readScenario } from "../../src/cli/scenario-run.ts";
import type { System } from "../../src/emu/kernel/system.ts";
import { canonicalText } from "../../src/emu/machine/hash.ts";
import { SeededRandom } from "../../src/emu/machine/random.ts";
import type { MachineEvent, Snapshot } from "../../src/emu/machine/types.ts";

const POINTS = 200;
const root = path.resolve(import.meta.dirname, "../../scenarios");

const load = (name: string) =>
  readScenario(name, (file) => {
    const place = path.join(root, name, file);
    return { uri: pathToFileURL(place).href, bytes: readFileSync(place) };
  });

function boot(name: string): System {
  const scenario = load(name);
  return createScenarioSystem(scenario, scenario.file.launch);
}

function runToEnd(system: System): { events: string[]; hash: string } {
  const events: string[] = [];
  const forget = system.machine.events.listen((event: MachineEvent) => events.push(canonicalText(event)));
  expect(system.run(1_000_000).kind).toBe("exit");
  forget();
  return { events, hash: system.machine.hash() };
}

describe.each(readdirSync(root))("scenario %s", (name) => {
  const whole = boot(name);
  const reference = runToEnd(whole);
  const length = whole.machine.icount;

  it(`goes on the same from ${POINTS} random points`, () => {
    const random = new SeededRandom("points", 1);
    const points = Array.from({ length: POINTS }, () => random.below(length)).sort((a, b) => a - b);
    const system = boot(name);
    const saved: { snapshot: Snapshot; hash: string }[] = [];
    for (const point of points) {
      system.run(point - system.machine.icount);
      saved.push({ snapshot: system.machine.save(), hash: system.machine.hash() });
    }
    for (const { snapshot, hash } of saved.toReversed()) {
      system.machine.restore(snapshot);
      expect(system.machine.icount).toBe(snapshot.icount);
      expect(system.machine.hash()).toBe(hash);
      const { events, hash: end } = runToEnd(system);
      expect(events).toEqual(reference.events.slice(reference.events.length - events.length));
      expect(end).toBe(reference.hash);
    }
  });

  it("comes to another hash from another state", () => {
    const system = boot(name);
    system.run(Math.floor(length / 2));
    const before = system.machine.hash();
    const cpu = system.machine.currentCpu;
    cpu.setGpr(3, cpu.gpr(3) ^ 1n);
    expect(system.machine.hash()).not.toBe(before);
  });
});
