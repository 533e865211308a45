/**
 * One scenario: its program is run and the timeline must hold the expected events in order; then it is run again under the mutation
 * it names, and must fail there, since an expectation that nothing can break proves nothing.
 */
import { readConfiguration } from "../adapter/debug/configuration.ts";
import { madeOf } from "../adapter/debug/guest-files.ts";
import { triggerReader } from "../adapter/debug/kernel-access.ts";
import { programNames } from "../adapter/debug/program-names.ts";
import { laterSpaces } from "../adapter/debug/spaces.ts";
import type { Bits } from "../asmlang/types.ts";
import { X86_64 } from "../emu/kernel/arch64.ts";
import { I386 } from "../emu/kernel/i386/arch.ts";
import { loadProgram } from "../emu/kernel/program.ts";
import { createSystem } from "../emu/kernel/system.ts";
import type { MachineEvent } from "../emu/machine/types.ts";
import { UsageError } from "./usage.ts";

type Fields = Readonly<Record<string, unknown>>;

/** scenario.json */
export interface ScenarioFile {
  readonly title: string;
  readonly description: string;
  readonly program: string;
  /** Attributes of launch.json. */
  readonly launch: Fields;
  readonly expect: Expectation;
  /** A change under which the expectation must not hold, and why: launch attributes, or one line of the kernel's entry code. */
  readonly fails: { readonly because: string; readonly launch?: Fields; readonly entry?: EntryMutation };
  /** The same program under other designs or on another processor, each with what is to be seen there. */
  readonly others?: readonly { readonly what: string; readonly launch: Fields; readonly expect: Expectation }[];
}

/** `replace` stands exactly once in a source of the kernel's entry code. */
export interface EntryMutation {
  /** By its name; the first one if absent. */
  readonly source?: string;
  readonly replace: string;
  readonly with: string;
}

export interface Expectation {
  readonly status?: number;
  readonly signal?: number;
  readonly stdout?: string;
  /** In this order, with anything between them. Every field given must match; `cite` says where the expectation comes from. */
  readonly events: readonly (Fields & { readonly cite: string })[];
}

interface Read {
  readonly uri: string;
  readonly bytes: Uint8Array;
}

export interface Scenario {
  readonly name: string;
  readonly file: ScenarioFile;
  readonly program: Read;
  /** The launch's `files`, by their paths in the guest. */
  readonly files: ReadonlyMap<string, Read>;
}

export interface ScenarioResult {
  readonly name: string;
  readonly ok: boolean;
  readonly problem?: string;
  readonly instructions: number;
}

/** A scenario that runs longer than this has gone wrong. */
const MOST_INSTRUCTIONS = 50_000_000;
const MEMORY = 128 << 20;

export function readScenario(name: string, read: (file: string) => Read): Scenario {
  const text = new TextDecoder().decode(read("scenario.json").bytes);
  const file = JSON.parse(text) as ScenarioFile;
  const files = Object.entries((file.launch.files ?? {}) as Readonly<Record<string, string>>);
  return { name, file, program: read(file.program), files: new Map(files.map(([path, from]) => [path, read(from)])) };
}

export function runScenario(scenario: Scenario): ScenarioResult {
  const { name, file } = scenario;
  const run = runOnce(scenario, file.launch);
  const problem = mismatch(file.expect, run) ?? mutationProblem(scenario) ?? otherProblem(scenario);
  return {
    name,
    ok: problem === undefined,
    ...(problem === undefined ? {} : { problem }),
    instructions: run.instructions,
  };
}

/** The mutation must break the expectation; otherwise it is no proof. */
function mutationProblem(scenario: Scenario): string | undefined {
  const { fails, launch, expect } = scenario.file;
  const mutated = runOnce(scenario, { ...launch, ...fails.launch }, fails.entry);
  return mismatch(expect, mutated) === undefined
    ? `it also passes under the mutation that must break it (${fails.because})`
    : undefined;
}

/** The first of the other runs that is not as expected. */
function otherProblem(scenario: Scenario): string | undefined {
  for (const { what, launch, expect } of scenario.file.others ?? []) {
    const problem = mismatch(expect, runOnce(scenario, { ...scenario.file.launch, ...launch }));
    if (problem !== undefined) return `${what}: ${problem}`;
  }
  return undefined;
}

interface Run {
  readonly events: readonly MachineEvent[];
  readonly stdout: string;
  readonly outcome: Fields;
  readonly instructions: number;
}

function runOnce(scenario: Scenario, launch: Fields, mutation?: EntryMutation): Run {
  const system = createScenarioSystem(scenario, launch, mutation);
  const events: MachineEvent[] = [];
  const stdout: number[] = [];
  system.machine.events.listen((event) => {
    if (event.type === "console") stdout.push(...(event.bytes as Iterable<number>));
    else events.push(event);
  });
  const outcome = system.run(MOST_INSTRUCTIONS);
  return {
    events,
    stdout: new TextDecoder().decode(Uint8Array.from(stdout)),
    outcome: { ...outcome },
    instructions: system.machine.icount,
  };
}

/** The system a scenario runs on; also for tests that look closer. */
export function createScenarioSystem({ name, program, files }: Scenario, launch: Fields, mutation?: EntryMutation) {
  const configuration = readConfiguration({ ...launch, program: program.uri });
  if (configuration.arch === "bare") throw new UsageError(`scenario ${name}: there is no kernel on a bare machine`);
  const loaded = loadProgram(program, { dialect: configuration.dialect, bits: configuration.bits });
  if (!loaded.ok) throw new UsageError(`scenario ${name}: ${loaded.problem ?? loaded.diagnostics[0]?.message}`);
  return createSystem({
    ...configuration,
    readTrigger: triggerReader(laterSpaces(() => ({ first: programNames(loaded.program), others: new Map() }))),
    arch: configuration.arch,
    program: loaded.program,
    stdin: new TextEncoder().encode(configuration.stdin),
    ramSize: MEMORY,
    files: Object.fromEntries([...files].map(([path, file]) => [path, guestFile(name, file, configuration.bits)])),
    ...(mutation === undefined ? {} : { entrySource: mutatedEntry(name, configuration.arch, mutation) }),
  });
}

function guestFile(name: string, file: Read, bits: Bits): Uint8Array {
  const made = madeOf(file, { bits });
  if ("problem" in made) throw new UsageError(`scenario ${name}: ${made.problem}`);
  return made.bytes;
}

function mutatedEntry(name: string, arch: "x86_64" | "i386", mutation: EntryMutation): { uri: string; text: string } {
  const { sources } = arch === "i386" ? I386 : X86_64;
  const source = sources.find(({ uri }) => mutation.source === undefined || uri.endsWith(`/${mutation.source}`));
  if (source === undefined) throw new UsageError(`scenario ${name}: there is no source ${mutation.source}`);
  const parts = source.text.split(mutation.replace);
  if (parts.length !== 2)
    throw new UsageError(`scenario ${name}: "${mutation.replace}" stands ${parts.length - 1} times in ${source.uri}`);
  return { uri: source.uri, text: parts.join(mutation.with) };
}

/** The first way in which the run is not as expected. */
export function mismatch(expect: Expectation, run: Run): string | undefined {
  if (run.outcome.kind !== "exit") return `the program did not end: ${run.outcome.kind}`;
  if (expect.signal !== run.outcome.signal)
    return `ended by signal ${run.outcome.signal ?? "none"}, expected ${expect.signal ?? "none"}`;
  if (expect.status !== undefined && expect.status !== run.outcome.status)
    return `exit status ${run.outcome.status}, expected ${expect.status}`;
  if (expect.stdout !== undefined && expect.stdout !== run.stdout)
    return `printed ${JSON.stringify(run.stdout)}, expected ${JSON.stringify(expect.stdout)}`;
  return missingEvent(expect.events, run.events);
}

function missingEvent(expected: Expectation["events"], events: readonly MachineEvent[]): string | undefined {
  let at = 0;
  for (const [index, { cite, ...fields }] of expected.entries()) {
    const found = events.findIndex((event, i) => i >= at && matches(event, fields));
    if (found < 0) return `expected event ${index + 1} did not come: ${JSON.stringify(fields)} (${cite})`;
    at = found + 1;
  }
  return undefined;
}

/** Every given field equal; numbers may be written as "0x.." text, objects match by their given fields. */
function matches(actual: unknown, wanted: unknown): boolean {
  if (
    typeof wanted === "string" &&
    /^0x[\da-f]+$/i.test(wanted) &&
    (typeof actual === "number" || typeof actual === "bigint")
  ) {
    return BigInt.asUintN(64, BigInt(actual)) === BigInt(wanted);
  }
  if (Array.isArray(wanted))
    return Array.isArray(actual) && wanted.every((item) => actual.some((other) => matches(other, item)));
  if (typeof wanted === "object" && wanted !== null) {
    return (
      typeof actual === "object" &&
      actual !== null &&
      Object.entries(wanted).every(([key, value]) => matches((actual as Fields)[key], value))
    );
  }
  return actual === wanted;
}
