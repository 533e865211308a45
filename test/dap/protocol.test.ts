/**
 * The protocol, whole: for each capability, request and event of its schema, the test that shows it here, or why there is none. The tables are
 * held against the schema, against what `initialize` answers, against the requests that have a handler and the events that sources send.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { Shelf } from "../../src/adapter/handlers/shelf.ts";
import { HANDLERS } from "../../src/adapter/handlers/table.ts";
import { DapClient } from "./client.ts";
import { definitions } from "./schema.ts";

/** A test, by its file here and (part of) its title; or a reason why a thing is not there. */
type Shown = { readonly in: string; readonly test: string } | { readonly absent: string };
type Table = Readonly<Record<string, Shown>>;
const shown = (file: string, test: string): Shown => ({ in: `${file}.test.ts`, test });
const absent = (reason: string): Shown => ({ absent: reason });

const CAPABILITIES: Table = {
  supportsConfigurationDoneRequest: shown("session", "stops at the first instruction of the program, in user mode"),
  supportsFunctionBreakpoints: shown("session", "stop at labels and at addresses"),
  supportsConditionalBreakpoints: shown("session", "honour conditions, hit counts and log messages"),
  supportsHitConditionalBreakpoints: shown("session", "honour conditions, hit counts and log messages"),
  supportsEvaluateForHovers: shown("references", "what is evaluated"),
  exceptionBreakpointFilters: shown("lifecycle", "has vector, error code with its meaning, and CR2"),
  supportsStepBack: shown("time-travel", "undoes registers and memory, an instruction at a time"),
  supportsSetVariable: shown("session", "changes registers, memory and flags, and the program goes on with them"),
  supportsRestartFrame: shown("console", "restarts a frame"),
  supportsGotoTargetsRequest: shown("console", "go to a line without running anything"),
  supportsStepInTargetsRequest: shown("console", "offer the kernel where an instruction enters it"),
  supportsCompletionsRequest: shown("console", "completes registers, kernel fields, symbols and commands"),
  completionTriggerCharacters: shown("console", "completes registers, kernel fields, symbols and commands"),
  supportsModulesRequest: shown("references", "every frame's module is one of the modules"),
  additionalModuleColumns: absent("no editor shows modules' columns"),
  supportedChecksumAlgorithms: absent("sources are read through the client: there is no second copy to compare"),
  supportsRestartRequest: shown("lifecycle", "restarts with new arguments over the old ones"),
  supportsExceptionOptions: absent("superseded by supportsExceptionFilterOptions, which has conditions"),
  supportsValueFormattingOptions: shown("references", "in decimal where the client wants that"),
  supportsExceptionInfoRequest: shown("lifecycle", "has vector, error code with its meaning, and CR2"),
  supportTerminateDebuggee: shown("ending", "ends a launched program where nothing else is said"),
  supportSuspendDebuggee: shown("ending", "leaves a suspended program as it stands"),
  supportsDelayedStackTraceLoading: absent(
    "a second load of the call stack takes the focus from an open menu; frames are few, and stackTrace pages all the same",
  ),
  supportsLoadedSourcesRequest: shown("scenarios", "$name, line by line"),
  supportsLogPoints: shown("session", "honour conditions, hit counts and log messages"),
  supportsTerminateThreadsRequest: shown("ending", "kills the process of a thread, which its parent hears of"),
  supportsSetExpression: shown("references", "what is assigned"),
  supportsTerminateRequest: shown("ending", "lets the handler of a %s program have the last word"),
  supportsDataBreakpoints: shown("data-breakpoints", "stop after each change of a value"),
  supportsReadMemoryRequest: shown("session", "writes memory, and refuses what is not mapped"),
  supportsWriteMemoryRequest: shown("session", "writes memory, and refuses what is not mapped"),
  supportsDisassembleRequest: shown("session", "disassembles before and after an address"),
  supportsCancelRequest: shown("protocol", "a long way back tells how far it is, and can be cancelled"),
  supportsBreakpointLocationsRequest: shown("scenarios", "$name, line by line"),
  supportsClipboardContext: shown("scenarios", "$name, line by line"),
  supportsSteppingGranularity: shown("scenarios", "$name, through the kernel"),
  supportsInstructionBreakpoints: shown("session", "stop at labels and at addresses"),
  supportsExceptionFilterOptions: shown("lifecycle", "has vector, error code with its meaning, and CR2"),
  supportsSingleThreadExecutionRequests: absent(
    "whose turn it is follows from the instruction count: to hold a thread would change the run that is looked at",
  ),
  supportsDataBreakpointBytes: shown("data-breakpoints", "watch any address"),
  breakpointModes: shown("breakpoint-modes", "the modes are announced"),
  supportsANSIStyling: shown("protocol", "colours of the program's output come through"),
};

const REQUESTS: Table = {
  initialize: shown("session", "stops at the first instruction of the program, in user mode"),
  launch: shown("session", "stops at the first instruction of the program, in user mode"),
  attach: shown("ending", "leaves a suspended program as it stands"),
  configurationDone: shown("session", "stops at the first instruction of the program, in user mode"),
  restart: shown("lifecycle", "restarts with new arguments over the old ones"),
  disconnect: shown("ending", "ends a launched program where nothing else is said"),
  terminate: shown("ending", "ends a program that has no handler for SIGTERM at once"),
  terminateThreads: shown("ending", "kills one that runs, and the others run on"),
  cancel: shown("protocol", "a long way back tells how far it is, and can be cancelled"),
  setBreakpoints: shown("session", "stop at a source line before it runs"),
  setFunctionBreakpoints: shown("session", "stop at labels and at addresses"),
  setInstructionBreakpoints: shown("session", "stop at labels and at addresses"),
  setExceptionBreakpoints: shown("console", "stops at events of the chosen filters"),
  setDataBreakpoints: shown("data-breakpoints", "stop after each change of a value"),
  dataBreakpointInfo: shown("data-breakpoints", "watch any address"),
  breakpointLocations: shown("scenarios", "$name, line by line"),
  exceptionInfo: shown("lifecycle", "has vector, error code with its meaning, and CR2"),
  continue: shown("session", "runs to the end with its output and exit status"),
  pause: shown("session", "pauses an endless loop, restarts, and terminates"),
  next: shown("session", "go over a call and a system call, and into a call"),
  stepIn: shown("session", "go into and out of a call"),
  stepOut: shown("session", "go into and out of a call"),
  stepBack: shown("time-travel", "crosses a system call as one step"),
  reverseContinue: shown("time-travel", "stops at the last breakpoint before, conditions included"),
  restartFrame: shown("console", "restarts a frame"),
  gotoTargets: shown("console", "go to a line without running anything"),
  goto: shown("console", "go to a line without running anything"),
  stepInTargets: shown("console", "offer the kernel where an instruction enters it"),
  threads: shown("threads", "names the thread that stopped, what each does, and each processor once"),
  stackTrace: shown("threads", "shows the call stack of a blocked thread across the boundary"),
  scopes: shown("session", "shows registers, segments with hidden parts"),
  variables: shown("session", "shows registers, segments with hidden parts"),
  setVariable: shown("threads", "changes a register of a blocked thread where the kernel has saved it"),
  setExpression: shown("references", "what is assigned"),
  evaluate: shown("console", "casts, signed and not"),
  completions: shown("console", "completes registers, kernel fields, symbols and commands"),
  locations: shown("references", "what is evaluated, and what is assigned, points somewhere"),
  source: shown("session", "stop in the kernel's own entry code"),
  loadedSources: shown("scenarios", "$name, line by line"),
  modules: shown("references", "every frame's module is one of the modules"),
  readMemory: shown("references", "of several stops have a reference"),
  writeMemory: shown("session", "writes memory, and refuses what is not mapped"),
  disassemble: shown("session", "disassembles before and after an address"),
  runInTerminal: absent("the program runs in no terminal of the host"),
  startDebugging: absent("processes are threads of one session: they share kernel, history and breakpoints"),
};

const EVENTS: Table = {
  initialized: shown("session", "stops at the first instruction of the program, in user mode"),
  stopped: shown("session", "stop at a source line before it runs"),
  continued: shown("protocol", "is told of a run that it did not ask for by a request to run"),
  exited: shown("session", "runs to the end with its output and exit status"),
  terminated: shown("session", "runs to the end with its output and exit status"),
  thread: shown("threads", "tells of threads that end, and refuses one that is not there"),
  output: shown("session", "runs to the end with its output and exit status"),
  breakpoint: shown("breakpoint-places", "move with the program that a restart finds changed"),
  module: shown("programs", "gives waiting breakpoints their places, names, lines and a module of its own"),
  loadedSource: shown("programs", "gives waiting breakpoints their places, names, lines and a module of its own"),
  process: shown("ending", "leaves a suspended program as it stands"),
  capabilities: absent("they do not change during a session"),
  progressStart: shown("protocol", "a long way back tells how far it is, and can be cancelled"),
  progressUpdate: shown("protocol", "a long way back tells how far it is, and can be cancelled"),
  progressEnd: shown("protocol", "a long way back tells how far it is, and can be cancelled"),
  invalidated: shown("protocol", "hears what a change makes stale"),
  memory: shown("protocol", "hears of memory that it has read and that has changed"),
};

const isShown = (each: Shown): boolean => "test" in each;
const namesOf = (suffix: string, property: string): string[] =>
  Object.entries(definitions).flatMap(([name, { allOf }]) => {
    const own = allOf?.[1]?.properties?.[property]?.enum?.[0];
    return name.endsWith(suffix) && typeof own === "string" ? [own] : [];
  });

describe("the tables", () => {
  it("have everything that the schema has, and no more", () => {
    const { properties = {} } = definitions.Capabilities!;
    expect(Object.keys(CAPABILITIES).sort()).toEqual(Object.keys(properties).sort());
    expect(Object.keys(REQUESTS).sort()).toEqual(namesOf("Request", "command").sort());
    expect(Object.keys(EVENTS).sort()).toEqual(namesOf("Event", "event").sort());
  });

  it("name tests that there are", () => {
    for (const [name, each] of Object.entries({ ...CAPABILITIES, ...REQUESTS, ...EVENTS })) {
      if (!("test" in each)) continue;
      const text = readFileSync(path.join(import.meta.dirname, each.in), "utf8");
      const titles = [...text.matchAll(/\bit(?:\.each\([^\n]*\))?\(\s*["`](.*?)["`],/g)].map(([, title]) => title!);
      expect(
        titles.some((title) => title.includes(each.test)),
        `${name}: ${each.in}: ${each.test}`,
      ).toBe(true);
    }
  });

  it("say of capabilities what initialize says", async () => {
    const client = new DapClient({}, new Shelf());
    const announced = await client.ok("initialize", { adapterID: "ringside" });
    for (const [name, each] of Object.entries(CAPABILITIES))
      expect(announced[name] !== undefined && announced[name] !== false, name).toBe(isShown(each));
    expect(Object.keys(announced).filter((name) => !Object.hasOwn(CAPABILITIES, name))).toEqual([]);
  });

  it("say of requests which have a handler, and of events which are sent", () => {
    for (const [name, each] of Object.entries(REQUESTS))
      expect(Object.hasOwn(HANDLERS, name), name).toBe(isShown(each));
    const folder = path.join(import.meta.dirname, "../../src/adapter/handlers");
    const sources = readdirSync(folder).map((file) => readFileSync(path.join(folder, file), "utf8"));
    const sent = sources.flatMap((text) => [...text.matchAll(/\.event\("([a-z]\w*)"/gi)].map(([, name]) => name!));
    const known = [...new Set(sent)].filter((name) => Object.hasOwn(EVENTS, name));
    expect(known.sort()).toEqual(
      Object.keys(EVENTS)
        .filter((name) => isShown(EVENTS[name]!))
        .sort(),
    );
  });
});

const program = "file:///w/p.asm";
const SOURCE = ` bits 64
 global _start
_start: mov ecx, 5
next: inc qword [count]
 dec ecx
 jnz next
 mov eax, 1
 mov edi, 1
 lea rsi, [text]
 mov edx, text.end - text
 syscall
long: mov ecx, 400000000
spin: dec ecx
 jnz spin
done: mov eax, 60
 syscall
 section .data
count: dq 0
text: db 27, "[31mred", 27, "[0m", 10
.end:
`;

async function start(wishes: object = {}) {
  const client = new DapClient({ [program]: SOURCE });
  await client.launch({ program });
  await client.ok("initialize", {
    adapterID: "ringside",
    supportsMemoryEvent: true,
    supportsInvalidatedEvent: true,
    ...wishes,
  });
  return client;
}
const bodies = (client: DapClient, name: string) =>
  client.events.filter(({ event }) => event === name).map(({ body }) => body);

describe("a client", () => {
  it("hears of memory that it has read and that has changed, by running and by hand, and of no other", async () => {
    const client = await start();
    const memoryReference = (await client.evaluate("count")).split(" ")[0]!;
    await client.ok("readMemory", { memoryReference, offset: -8, count: 24 });
    await client.run("next");
    expect(bodies(client, "memory")).toEqual([]);
    await client.run("next");
    expect(bodies(client, "memory")).toEqual([{ memoryReference, offset: 0, count: 1 }]);
    await client.ok("evaluate", { expression: "qword [count] = 0x7000001", context: "repl" });
    expect(bodies(client, "memory").at(-1)).toEqual({ memoryReference, offset: 3, count: 1 });
    await client.run("stepBack");
    expect(bodies(client, "memory").at(-1)).toEqual({ memoryReference, offset: 0, count: 4 });
    expect(bodies(client, "memory")).toHaveLength(3);
  });

  it("hears what a change makes stale", async () => {
    const client = await start();
    await client.ok("setExpression", { expression: "rax", value: "5" });
    expect(bodies(client, "invalidated")).toEqual([{ areas: ["variables", "stacks"] }]);
  });

  it("is told of a run that it did not ask for by a request to run", async () => {
    const client = await start();
    await client.run("next");
    expect(bodies(client, "continued")).toEqual([]);
    const stopped = client.next("stopped");
    await client.ok("evaluate", { expression: "until next", context: "repl" });
    await stopped;
    expect(bodies(client, "continued")).toEqual([{ threadId: 1, allThreadsContinued: true }]);
    expect(client.events.map(({ event }) => event).slice(-2)).toEqual(["continued", "stopped"]);
  });

  it("a long way back tells how far it is, and can be cancelled", async () => {
    const client = await start({ supportsProgressReporting: true });
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "done" }] });
    await client.run("continue");
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "spin", condition: "ecx == 399999990" }] });
    const begun = client.next("progressStart");
    const stopped = client.next("stopped");
    await client.ok("reverseContinue", { threadId: 1 });
    const { progressId, cancellable } = await begun;
    expect(cancellable).toBe(true);
    // what is cancelled by its number is that request, and it has been answered
    await client.ok("cancel", { requestId: client.latest });
    await client.ok("cancel", { progressId: "another" });
    await client.next("progressUpdate");
    await client.ok("cancel", { progressId });
    expect((await stopped).reason).toBe("pause");
    expect(bodies(client, "progressEnd")).toEqual([{ progressId }]);
    for (const { percentage } of bodies(client, "progressUpdate")) expect(percentage).toBeLessThanOrEqual(100);
  });

  it("a long question is cancelled by its own number, and answered", async () => {
    const client = await start({ supportsProgressReporting: true });
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "done" }] });
    await client.run("continue");
    const begun = client.next("progressStart");
    const asked = client.request("evaluate", { expression: "who word [done]", context: "repl" });
    const requestId = client.latest;
    await begun;
    expect((await client.request("stackTrace", { threadId: 1 })).message).toBe(
      "Looking for the last write: wait for it, or cancel it",
    );
    await client.ok("cancel", { requestId: requestId - 1 });
    await client.next("progressUpdate");
    await client.ok("cancel", { requestId });
    expect(await asked).toMatchObject({ success: false, message: "cancelled" });
    expect(bodies(client, "progressEnd")).toHaveLength(1);
    expect((await client.ok("stackTrace", { threadId: 1 })).stackFrames.length).toBeGreaterThan(0);
  });

  it("colours of the program's output come through", async () => {
    const client = await start();
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "long" }] });
    await client.run("continue");
    expect(client.output()).toBe("\u001b[31mred\u001b[0m\n");
  });
});
