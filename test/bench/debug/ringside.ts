/** What Ringside's debugger needs for a step, for going back, for breakpoints: the figures of one column. */
import { Breakpoints } from "../../../src/adapter/debug/breakpoints.ts";
import { readConfiguration } from "../../../src/adapter/debug/configuration.ts";
import { allBits } from "../../../src/adapter/debug/data-breakpoints.ts";
import { History } from "../../../src/adapter/debug/history.ts";
import { KernelHistory } from "../../../src/adapter/debug/kernel-view.ts";
import { createTarget } from "../../../src/adapter/debug/load.ts";
import { NearPast } from "../../../src/adapter/debug/near-past.ts";
import { reverseContinue, stepBack } from "../../../src/adapter/debug/reverse.ts";
import { RunControl } from "../../../src/adapter/debug/run-control.ts";
import { AdapterProcess } from "./adapter.ts";
import { type GuestName, guestFiles, guestUri } from "./guests.ts";
import { median, processorTime, type Spread, spreadOf, timed } from "./measure.ts";

export const DEEP = 100_000_000;
const BUDGET = 512 << 20;

export async function boot(root: string, guest: GuestName) {
  const configuration = readConfiguration({ program: guestUri(guest) });
  const { target } = await createTarget(configuration, guestFiles(root));
  if (target?.kernel === undefined) throw new Error(`${guest} does not load`);
  const breakpoints = new Breakpoints();
  const control = new RunControl(target, breakpoints);
  const history = new History(target, [control, new KernelHistory(target, target.kernel)], BUDGET);
  await control.runToUser();
  return { target, breakpoints, control, history, recording: () => void (control.recorder = history) };
}
type Session = Awaited<ReturnType<typeof boot>>;

const runOn = ({ target, control }: Session, instructions: number) =>
  control.run({ icount: target.machine.icount + instructions });

function breakAt({ target, breakpoints }: Session, label: string, condition?: string): void {
  const address = target.symbols(target.machine.currentCpu).address(label);
  if (address === undefined) throw new Error(`no label ${label}`);
  breakpoints.replace("instruction", [breakpoints.make("instruction", [address], { condition })]);
}

/** From the request to the last variable of all scopes, in an adapter of its own: the adapter's processor time. */
export async function steps(root: string, program: string, count: number): Promise<Spread> {
  const { adapter } = await launched(root, program);
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = adapter.processorTime();
    await adapter.run("next", { granularity: "instruction" });
    await readScopes(adapter);
    samples.push(adapter.processorTime() - began);
  }
  adapter.close();
  return spreadOf(samples.slice(count >> 3));
}

async function readScopes(adapter: AdapterProcess): Promise<void> {
  const { stackFrames } = await adapter.request("stackTrace", { threadId: 1 });
  const { scopes } = await adapter.request("scopes", { frameId: stackFrames[0].id });
  await Promise.all(
    scopes.map((scope: { variablesReference: number }) =>
      adapter.request("variables", { variablesReference: scope.variablesReference }),
    ),
  );
}

/** Runs of the adapter after which its code cache holds what a first stop needs. */
const WARMING = 4;

export interface FirstStop {
  /** From `launch` to the first stop, and from the start of the process; milliseconds of the adapter's processor time. */
  readonly adapter: Spread;
  readonly all: Spread;
  /** From the start of the process, by the first adapter since the build. */
  readonly first: number;
}

/** In a new adapter process each time. */
export async function firstStop(root: string, program: string, count: number): Promise<FirstStop> {
  const [inAdapter, all]: [number[], number[]] = [[], []];
  let first = 0;
  for (let i = 0; i < WARMING + count; i++) {
    const { adapter, milliseconds } = await launched(root, program);
    const whole = adapter.processorTime();
    await adapter.end();
    if (i === 0) first = whole;
    if (i < WARMING) continue;
    inAdapter.push(milliseconds);
    all.push(whole);
  }
  return { adapter: spreadOf(inAdapter), all: spreadOf(all), first };
}

async function launched(root: string, program: string) {
  const adapter = new AdapterProcess(root);
  await adapter.request("initialize", { adapterID: "ringside" });
  const began = adapter.processorTime();
  const initialized = adapter.next("initialized");
  await adapter.request("launch", { program });
  await initialized;
  const stopped = adapter.next("stopped");
  await adapter.request("configurationDone");
  await stopped;
  return { adapter, milliseconds: adapter.processorTime() - began };
}

export interface StepsBack {
  /** The first step back after a stop, and all of them. */
  readonly first: Spread;
  readonly all: Spread;
  /** The most instructions that a step back replayed. */
  readonly replayed: number;
}

/** Instructions from one stop to the next: longer than any interval between checkpoints. */
const APART = 53_333_333;

/**
 * Steps back from a place `DEEP` instructions into the run, and from others beyond it: `after` the adapter has brought the past near, as
 * it does when the client has been silent for a moment, or before it could.
 */
export async function stepsBack(
  root: string,
  guest: GuestName,
  after: "a look" | "no time",
  rounds: number,
  each: number,
): Promise<StepsBack> {
  const session = await boot(root, guest);
  session.recording();
  const { control, history } = session;
  const nearPast = new NearPast(control, history);
  await runOn(session, DEEP);
  const first: number[] = [];
  const all: number[] = [];
  let replayed = 0;
  for (let round = 0; round < rounds; round++) {
    await runOn(session, APART);
    if (after === "a look") await nearPast.approach();
    for (let i = 0; i < each; i++) {
      const took = await timed(() =>
        stepBack(control, history, { granularity: "instruction", intoKernel: false, thread: 1 }),
      );
      replayed = Math.max(replayed, history.replayed);
      if (i === 0) first.push(took);
      all.push(took);
    }
  }
  return { first: spreadOf(first), all: spreadOf(all), replayed };
}

/** Milliseconds to reverse-continue over `DEEP` instructions to a breakpoint at the program's start. */
export async function reverse(root: string, guest: GuestName): Promise<number> {
  const session = await boot(root, guest);
  session.recording();
  const start = session.target.machine.icount;
  await runOn(session, DEEP);
  breakAt(session, "_start");
  const took = await timed(() => reverseContinue(session.control, session.history));
  if (session.target.machine.icount !== start) throw new Error("reverse continue went astray");
  return took;
}

/** The same to a breakpoint in a hot loop: the last of millions of hits. */
export async function reverseToHot(root: string): Promise<number> {
  const session = await boot(root, "alu");
  session.recording();
  await runOn(session, DEEP);
  breakAt(session, "_start.l");
  return timed(() => reverseContinue(session.control, session.history));
}

/** Instructions of a round of a guest's loop. */
const ROUND = { alu: 5, count: 3 } as const;

/** Times a second that a false condition on the loop's first instruction is passed. */
export async function falseConditions(root: string, guest: keyof typeof ROUND, condition: string): Promise<number> {
  const session = await boot(root, guest);
  breakAt(session, "_start.l", condition);
  await runOn(session, 100_000);
  const began = processorTime();
  const from = session.target.machine.icount;
  let size = 100_000;
  while (processorTime() - began < 1000) {
    if ((await runOn(session, size)) !== "reached") throw new Error(`${condition} was not false`);
    size = Math.min(size * 2, 50_000_000);
  }
  const hits = (session.target.machine.icount - from) / ROUND[guest];
  return (hits * 1000) / (processorTime() - began);
}

/** As many as give much the same median again on a busy host. */
const PAIRS = 11;

/** The ratio of two ways to run a guest, by pairs that take turns. */
async function ratio(root: string, guest: GuestName, prepare: (session: Session) => void): Promise<number> {
  const [plain, changed] = [await boot(root, guest), await boot(root, guest)];
  prepare(changed);
  await runOn(plain, 50_000_000);
  await runOn(changed, 50_000_000);
  const ratios: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const without = await timed(() => runOn(plain, 100_000_000));
    ratios.push((await timed(() => runOn(changed, 100_000_000))) / without);
  }
  return median(ratios);
}

/** One data breakpoint that nothing touches, on the stack's page. */
export const dataBreakpoint = (root: string, guest: GuestName): Promise<number> =>
  ratio(root, guest, ({ control }) => {
    const { cpu } = control;
    const address = Number(cpu.gpr(4)) - 64;
    control.data.replace([{ id: 1, address, bytes: 8, mask: allBits(8), access: "readWrite" }], control.view);
  });

export const historyOn = (root: string, guest: GuestName): Promise<number> =>
  ratio(root, guest, (session) => session.recording());
