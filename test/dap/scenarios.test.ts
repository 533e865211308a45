/**
 * Every scenario, stop by stop, by a scripted client: first through the program line by line, then through the kernel's code instruction by
 * instruction. At each stop where the program has not been before, everything is looked at; at intervals one instruction is undone and
 * done again, and everything must look as it did.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { DapClient } from "./client.ts";
import { look } from "./look.ts";

const folder = path.resolve(import.meta.dirname, "../../scenarios");
const files = {
  async read(uri: string) {
    const file = fileURLToPath(uri);
    return existsSync(file) ? readFileSync(file) : undefined;
  },
};

const scenarios = readdirSync(folder).map((name) => {
  const file = JSON.parse(readFileSync(path.join(folder, name, "scenario.json"), "utf8"));
  return { name, file, program: pathToFileURL(path.join(folder, name, file.program)).href };
});

/** Stops between two that are undone and done again. */
const BETWEEN_REVERSALS = 64;
/** Of single instructions; `npm run conformance:stops` goes to every scenario's end. */
const MOST_KERNEL_STOPS = Number(process.env.DAP_KERNEL_STOPS ?? 1500);
const LONGEST = { timeout: 1_200_000 };

interface Walk {
  readonly configuration: Record<string, unknown>;
  readonly step: Record<string, unknown>;
  readonly most?: number;
  /** One in so many new places is looked at closely. */
  readonly closely: number;
  /** How often each place has been looked at. */
  readonly visits: Map<string, number>;
}

/** Scenarios go through the same kernel. */
const kernelVisits = new Map<string, number>();

/** Steps from stop to stop and looks; the number of stops. */
async function walk(
  client: DapClient,
  { configuration, step, most = Infinity, closely, visits }: Walk,
): Promise<number> {
  let stop = await client.launch(configuration);
  for (let stops = 1; ; stops++) {
    const place = `${configuration.arch} ${await client.evaluate("cs.base")} ${await client.evaluate("rip")}`;
    const seen = visits.get(place) ?? 0;
    visits.set(place, seen + 1);
    if (seen === 0) await look(client, visits.size % closely === 0 ? "deep" : "brief", true);
    if (stop.reason === "exception") await client.ok("exceptionInfo", { threadId: client.thread });
    if (stops % BETWEEN_REVERSALS === 0) await backAndForth(client);
    if (stops === most) return stops;
    stop = await client.run("stepIn", step);
    if (stop === undefined) return stops;
  }
}

/** An instruction back and the same one again. */
async function backAndForth(client: DapClient): Promise<void> {
  const before = await look(client, "brief", true);
  const { icount } = await client.ok("ringside/time");
  await client.run("ringside/goToInstruction", { icount: icount - 1 });
  expect((await client.ok("ringside/time")).icount).toBe(icount - 1);
  await look(client, "brief", true);
  await client.run("ringside/goToInstruction", { icount });
  expect((await client.ok("ringside/time")).icount).toBe(icount);
  expect(await look(client, "brief", true)).toEqual(before);
}

it.each(scenarios)("$name, line by line", LONGEST, async ({ file, program }) => {
  const client = new DapClient(files);
  const stops = await walk(client, {
    configuration: { ...file.launch, program },
    step: {},
    closely: 1,
    visits: new Map(),
  });
  expect(stops).toBeGreaterThan(4);
});

it.each(scenarios)("$name, through the kernel", LONGEST, async ({ file, program }) => {
  const client = new DapClient(files);
  const stops = await walk(client, {
    configuration: { ...file.launch, program, stepIntoKernel: true },
    step: { granularity: "instruction" },
    most: MOST_KERNEL_STOPS,
    closely: 4,
    visits: kernelVisits,
  });
  expect(stops).toBeGreaterThan(50);
});
