/**
 * Forwards and backwards agree: at random points of every scenario, and of a static C program of several threads on two processors,
 * N instructions back and N forward give the whole state that was there, and N instructions back is the state that was there then.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { goToInstruction } from "../../../src/adapter/debug/reverse.ts";
import { SeededRandom } from "../../../src/emu/machine/random.ts";
import { requireTool } from "../../tools.ts";
import { debuggee } from "./debuggee.ts";

const POINTS = 200;
const FARTHEST = 3000;
const LIMIT = 5_000_000;
type Debuggee = Awaited<ReturnType<typeof debuggee>>;

/** Points to stop at, each with one before it. */
function pairs(start: number, end: number): { point: number; before: number }[] {
  const random = new SeededRandom("agree", 7);
  return Array.from({ length: POINTS }, () => {
    const point = start + 1 + random.below(end - start - 1);
    return { point, before: Math.max(start, point - 1 - random.below(FARTHEST)) };
  });
}

async function length({ control, target }: Debuggee): Promise<number> {
  const end = await control.run({ icount: target.machine.icount + LIMIT });
  expect(end).toMatchObject({ reason: "exited" });
  return target.machine.icount;
}

/** Runs forward, and tells the state at each of the instants. */
async function statesAt({ control, state }: Debuggee, instants: readonly number[]): Promise<Map<number, string>> {
  const states = new Map<number, string>();
  for (const icount of [...new Set(instants)].sort((a, b) => a - b)) {
    if (icount > control.target.machine.icount) expect(await control.run({ icount })).toBe("reached");
    states.set(icount, state());
  }
  return states;
}

async function agree(start: () => Promise<Debuggee>): Promise<void> {
  const end = await length(await start());
  const session = await start();
  const { control, history, state } = session;
  const chosen = pairs(history.start, end);
  const states = await statesAt(session, [history.start, ...chosen.flatMap(({ point, before }) => [point, before])]);
  expect(new Set(states.values()).size).toBe(states.size);
  for (const { point, before } of chosen) {
    await goToInstruction(control, history, point);
    expect(state()).toBe(states.get(point));
    await goToInstruction(control, history, before);
    expect(state()).toBe(states.get(before));
    await goToInstruction(control, history, point);
    expect(state()).toBe(states.get(point));
  }
}

const scenarios = path.resolve(import.meta.dirname, "../../../scenarios");

describe("forwards and backwards agree", () => {
  it.each(readdirSync(scenarios))(`at ${POINTS} points of %s`, async (name) => {
    const folder = path.join(scenarios, name);
    const { program, launch } = JSON.parse(readFileSync(path.join(folder, "scenario.json"), "utf8"));
    await agree(() => debuggee({ ...launch, program: path.join(folder, program) }));
  });
});

describe.runIf(requireTool("gcc"))("forwards and backwards agree in C", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ringside-agree-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it(`at ${POINTS} points of threads that take turns by mutexes and conditions`, async () => {
    const program = path.join(folder, "threads");
    const source = path.join(import.meta.dirname, "threads.c");
    execFileSync("gcc", ["-O1", "-static", "-pthread", "-o", program, source]);
    await agree(() => debuggee({ program, cpu: { vendor: "intel", count: 2 } }));
  });
});
