/**
 * Running the target without ever blocking its client: slices of a few milliseconds, between which messages are handled. Pausing,
 * breakpoints, and the ways a run ends come together here; stepping.ts builds on it.
 */
import { ARMED, type Arming, type Cpu } from "../../emu/cpu/cpu.ts";
import type { Test } from "../../emu/cpu/ir/types.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import type { WatchHit } from "../../emu/cpu/watch.ts";
import { bringsCode } from "../../emu/kernel/exec/brings-code.ts";
import type { MachineEvent, StopReason } from "../../emu/machine/types.ts";
import { linearOf, standsAt } from "./breakpoint-modes.ts";
import { type Breakpoints, conditionHolds, type Hit, hitConditionHolds } from "./breakpoints.ts";
import { testOf } from "./condition-test.ts";
import { type Access, type DataBreakpoint, DataBreakpoints, type DataHit, type View } from "./data-breakpoints.ts";
import { type Entered, Entries } from "./entries.ts";
import type { Observer } from "./history.ts";
import { processKey } from "./memory-place.ts";
import { Pacer } from "./pacer.ts";
import { expressionScope } from "./scope.ts";
import type { Target } from "./target.ts";
import { Threads } from "./threads.ts";

/** `thread`: whose stop it is, if not that of the CPU that ran last. */
export type Stop = StopCause & { readonly thread?: number };

type StopCause =
  | { readonly reason: "step" | "pause" | "goto"; readonly text?: string }
  /** `boundary`: come to backwards, the beginning of the program or of all that is recorded. */
  | { readonly reason: "entry"; readonly boundary?: "program" | "history" }
  | {
      readonly reason: "breakpoint";
      readonly ids: readonly number[];
      readonly kind: "source" | "function" | "instruction";
    }
  | { readonly reason: "data breakpoint"; readonly ids: readonly number[]; readonly text: string }
  | { readonly reason: "exception"; readonly event: MachineEvent; readonly filter: string }
  | { readonly reason: "exited"; readonly status: number; readonly signal: number | undefined }
  | { readonly reason: "halted"; readonly why: string };

const BREATH_MILLISECONDS = 10;
const NONE: ReadonlySet<number> = new Set();

/** System calls that change what a selector stands for. */
const DESCRIPTOR_CALLS: ReadonlySet<string> = new Set(["modify_ldt", "set_thread_area"]);

/** Hands control back to the host's event loop once. */
export const breathe = (): Promise<void> =>
  new Promise((resolve) => {
    const immediate = (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate;
    if (immediate !== undefined) return immediate(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });

/** An event that the user asked to stop at, by exception filter. */
export type EventFilter = (event: MachineEvent) => string | undefined;

/** Where a run wants to get to: one of `addresses` with `reached` true, just after an event, or an instant. */
export interface Goal {
  /** Asked for again when a program has come: they may be in that. */
  readonly addresses?: readonly Addr[];
  readonly reached?: () => boolean;
  readonly event?: (event: MachineEvent) => boolean;
  /** An instruction count to stop at exactly. */
  readonly icount?: number;
  /** A CPU whose turn is waited for. */
  readonly before?: Cpu;
}

/** Addresses to stop at and data to watch. */
export interface Armed {
  readonly addresses: ReadonlySet<Addr>;
  /** Physical ones. */
  readonly physical?: ReadonlySet<number>;
  readonly data: DataBreakpoints;
  /** False: the addresses are of interest whatever the conditions of breakpoints at them say. */
  readonly tested?: boolean;
  /** Events of interest, if not those that the user has asked to stop at. */
  readonly events?: EventFilter;
}

/** What a slice of the past met: an armed address, an event of a chosen filter, watched data, or nothing. */
export type Met =
  | { readonly kind: "address" | "nothing" }
  | { readonly kind: "event"; readonly stop: Stop }
  | { readonly kind: "data"; readonly hit: DataHit };

/** Someone who keeps the past, and wants a look at the machine now and then: at instruction count `due`, or soon after it. */
export interface Recorder {
  readonly due: number;
  note(): void;
}

const NO_RECORDER: Recorder = { due: Number.POSITIVE_INFINITY, note: () => {} };

export class RunControl implements Observer {
  readonly target: Target;
  #breakpoints: Breakpoints;
  readonly data = new DataBreakpoints();
  /** The data breakpoints that are armed: `data`, or those of a search in the past. */
  #watched = this.data;
  /** Log points' and conditions' output. */
  onLog: (text: string) => void = () => {};
  /** Told when a task has begun another program, or mapped a library. */
  onProgram: () => void = () => {};
  recorder: Recorder = NO_RECORDER;
  /** Called between the stretches of a long search, with the part of it that is done. */
  onProgress: (part: number) => void = () => {};
  #pauseRequested = false;
  #lastBreath = 0;
  #filter: EventFilter = () => undefined;
  /** The filter of a search. */
  #searched = this.#filter;
  #caught: Stop | undefined;
  readonly pacer = new Pacer();
  #goal: Goal = {};
  #goalReached = false;
  /** What a breakpoint that the run stopped at wants. */
  #outcome: Stop | "reached" | undefined;
  /** Told of each armed address that a search comes by. */
  #passed: () => void = () => {};
  /** Which breakpoints the processors' marks are for. */
  #marked = -1;
  #ended: Stop | undefined;
  #mode: "live" | "silent" | "search" = "live";
  #armed: Arming = ARMED.OFF;
  #rearm = false;
  /** Of the data breakpoints that are watched. */
  #remembered = 0;
  #writes: (Access & { readonly by: string })[] = [];
  readonly #entries: Entries;
  /** An event that is still to come, and has been told of. */
  #told: { readonly at: number; readonly icount: number; readonly type: string } | undefined;
  readonly threads: Threads;

  constructor(target: Target, breakpoints: Breakpoints) {
    this.target = target;
    this.#breakpoints = breakpoints;
    this.threads = new Threads(target);
    this.#entries = new Entries(target, this.threads);
    this.use(breakpoints);
    this.data.meets = (breakpoint) => this.#meets(breakpoint);
    target.machine.events.listen((event) => this.#see(event));
    for (const own of target.machine.cpus) {
      own.hooks.breakpoint = (cpu) => this.#stopsAt(cpu);
      own.hooks.breakpointTest = (address, bits) => this.#testAt(own, address, bits);
    }
    target.kernel?.onWrite((by, access) => this.#kernelWrote(by, access));
  }

  get breakpoints(): Breakpoints {
    return this.#breakpoints;
  }
  /** Breakpoints of a client, instead of those so far. */
  use(breakpoints: Breakpoints): void {
    this.#breakpoints = breakpoints;
    this.#marked = -1;
    breakpoints.standsAt = (place) => standsAt(this.cpu, place);
    breakpoints.holds = (keys) =>
      this.target.symbols(this.cpu).holds(keys) || keys.has(processKey(this.target.kernel?.processOn(this.cpu)));
  }

  get cpu(): Cpu {
    return this.target.machine.currentCpu;
  }
  /** Where a place in memory is seen from. */
  readonly view: View = ({ process }) =>
    process === undefined ? this.cpu : this.target.kernel?.seenFromProcess(process);

  /** The stop that ended the program, if it has ended. */
  get ended(): Stop | undefined {
    return this.#ended;
  }

  setEventFilter(filter: EventFilter): void {
    this.#filter = filter;
  }

  pause(): void {
    this.#pauseRequested = true;
    this.target.machine.stop({ kind: "request" });
  }

  /** What runs on from here will meet this event: it is not told of again. */
  hasTold({ icount, type }: MachineEvent): void {
    this.#told = { at: this.target.machine.icount, icount, type };
  }

  /** Another future may come than the one that has been told of. */
  changed(): void {
    this.#told = undefined;
  }

  /** Forgets a pause that came while nothing ran. */
  begin(): void {
    this.#pauseRequested = false;
    if (this.target.machine.icount !== this.#told?.at) this.#told = undefined;
  }

  /** Whether events are of a past that is being replayed: they are not news to anyone. */
  get replaying(): boolean {
    return this.#mode !== "live";
  }

  /** Runs `action` with breakpoints off and events silent; the program may have ended after where it goes. */
  async whileReplaying<T>(action: () => Promise<T>): Promise<T> {
    this.#mode = "silent";
    this.disarmBreakpoints();
    try {
      return await action();
    } finally {
      this.#mode = "live";
      this.#caught = undefined;
      this.#ended = undefined;
    }
  }

  /** At most `max` instructions of the past, while the program stands still: what is armed, and how the last run ended, stays as it is. */
  runUnseen(max: number): void {
    const armed = this.#armed;
    this.#mode = "silent";
    this.disarmBreakpoints();
    try {
      this.target.run(max);
    } finally {
      this.#setArmed(armed);
      this.#mode = "live";
    }
  }

  /**
   * Within whileReplaying: `action` with event filters and up-calls' writes looked at. `passed` is called with the machine at each
   * armed address, before its instruction; the run does not stop for it.
   */
  async whileSearching<T>(watched: Armed, passed: () => void, action: () => Promise<T>): Promise<T> {
    this.#mode = "search";
    this.#passed = passed;
    this.#searched = watched.events ?? this.#filter;
    this.#arm(watched);
    try {
      return await action();
    } finally {
      this.#mode = "silent";
      this.#caught = undefined;
      this.#writes = [];
      this.disarmBreakpoints();
    }
  }

  /** Within whileSearching: at most `max` instructions of the past, and what they met. */
  replaySlice(max: number): Met {
    const reason = this.pacer.timed(() => this.target.run(Math.min(max, this.pacer.slice)));
    const caught = this.#caught;
    this.#caught = undefined;
    const written = this.#takeWrites();
    if (caught !== undefined) return { kind: "event", stop: caught };
    if (written !== undefined) return { kind: "data", hit: written };
    if (reason.kind !== "watchpoint") return { kind: "nothing" };
    const hit = this.#accessed(reason.hit);
    return hit === undefined ? { kind: "nothing" } : { kind: "data", hit };
  }

  /** An up-call wrote what is watched: what it means is looked at when it is done. */
  #kernelWrote(by: string, access: Access): void {
    if (this.#mode === "silent" || this.#armed === ARMED.OFF || !this.#watched.touches(access)) return;
    this.#writes.push({ by, ...access });
    this.target.machine.stop({ kind: "request" });
  }

  /** The data breakpoint that the up-calls' writes since the last look have hit. */
  #takeWrites(): DataHit | undefined {
    const writes = this.#writes;
    this.#writes = [];
    for (const { by, ...access } of writes) {
      const hit = this.#watched.accessed(this.view, access, true, by);
      if (hit !== undefined) return hit;
    }
    return undefined;
  }

  #accessed({ address, size, write }: WatchHit): DataHit | undefined {
    const physical = this.cpu.peekTranslate(address);
    return this.#watched.accessed(this.view, { address, physical, size }, write, undefined);
  }

  /** Going back has no count of hits, as for other breakpoints. */
  #meets(breakpoint: DataBreakpoint): boolean {
    const logs: string[] = [];
    const holds = conditionHolds(breakpoint.condition, expressionScope(this.target, this.cpu), logs);
    if (this.#mode !== "live") return holds;
    for (const text of logs) this.onLog(text);
    if (!holds) return false;
    breakpoint.hits = (breakpoint.hits ?? 0) + 1;
    return hitConditionHolds(breakpoint.hitCondition, breakpoint.hits);
  }

  #stopAtData(hit: DataHit | undefined): Stop | undefined {
    if (hit === undefined) return undefined;
    const after = this.target.symbols(this.cpu).describe(this.cpu.linearIp) ?? "the program";
    const by = hit.by ?? `the instruction before ${after}`;
    return { reason: "data breakpoint", ids: hit.ids, text: `${hit.change}, ${hit.verb} by ${by}` };
  }

  disarmBreakpoints(): void {
    this.#setArmed(ARMED.OFF);
  }

  save(): unknown {
    return this.#entries.save();
  }
  restore(state: unknown): void {
    this.#entries.restore(state);
  }

  /** The instant before the program's first instruction, if that has been. */
  get began(): number | undefined {
    return this.#entries.began;
  }

  /** How a thread last came from user mode into the kernel. */
  enteredBy(thread: number): Entered | undefined {
    return this.#entries.of(thread);
  }

  /** A table that a selector of a breakpoint is looked up in may have changed: where it is has to be found again. */
  #noteDescriptors({ type, name }: MachineEvent): void {
    if (type !== "switch" && !(type === "syscall" && DESCRIPTOR_CALLS.has(String(name)))) return;
    if (!this.breakpoints.places.some(({ mode }) => mode === "segmented")) return;
    this.#rearm = true;
    this.target.machine.stop({ kind: "request" });
  }

  /** Breakpoints and goals in a program that has not run before have their places now. */
  #noteProgram(): void {
    this.onProgram();
    const known = this.#marked === this.breakpoints.version && this.#goal.addresses === undefined;
    if (this.#armed === ARMED.OFF || known) return;
    this.#rearm = true;
    this.target.machine.stop({ kind: "request" });
  }

  #see(event: MachineEvent): void {
    this.#entries.see(event);
    if (this.#mode === "silent") return;
    if (this.#mode === "live" && bringsCode(event)) this.#noteProgram();
    if (this.#armed !== ARMED.OFF && this.#mode === "live") this.#noteDescriptors(event);
    if (this.#goal.event?.(event)) {
      this.#goalReached = true;
      this.target.machine.stop({ kind: "request" });
    }
    const filter = (this.#mode === "search" ? this.#searched : this.#filter)(event);
    if (filter === undefined || this.#caught !== undefined) return;
    if (this.#mode === "live" && event.icount === this.#told?.icount && event.type === this.#told.type) return;
    const thread = this.threads.on(this.target.machine.cpus[event.cpu]!);
    this.#caught = { reason: "exception", event, filter, thread };
    this.target.machine.stop({ kind: "request" });
  }

  /** Exactly one instruction, breakpoints ignored. undefined = it simply ran. */
  stepInstruction(): Stop | undefined {
    this.disarmBreakpoints();
    if (this.target.machine.icount >= this.recorder.due) this.recorder.note();
    return this.#stopOf(this.target.run(1));
  }

  /** Exactly one instruction of `cpu`; others whose turn comes before run as ever, and may hit breakpoints. */
  async stepCpu(cpu: Cpu): Promise<Stop | undefined> {
    if (this.target.machine.nextCpu !== cpu) {
      const outcome = await this.run({ before: cpu });
      if (outcome !== "reached") return outcome;
    }
    return this.stepInstruction();
  }

  /** Runs until something stops it; "reached" when that was the goal. */
  async run(goal: Goal = {}): Promise<Stop | "reached"> {
    this.#goal = goal;
    this.#goalReached = false;
    this.#outcome = undefined;
    this.#armFor(goal);
    try {
      for (;;) {
        // the user may have changed them since the last slice
        if (this.#marked !== this.breakpoints.version || this.#remembered !== this.data.version) this.#armFor(goal);
        const outcome = this.#runSlice(goal);
        if (outcome !== undefined) return outcome;
        if (this.#pauseRequested || (await this.breathe())) return { reason: "pause" };
      }
    } finally {
      this.#goal = {};
    }
  }

  /** Runs a slice, and on past breakpoints that did not want to stop. undefined = the slice is used up. */
  #runSlice(goal: Goal): Stop | "reached" | undefined {
    const { icount = Number.POSITIVE_INFINITY, before } = goal;
    const end = Math.min(icount, this.target.machine.icount + this.pacer.slice);
    return this.pacer.timed(() => {
      for (;;) {
        const until = Math.min(end, this.recorder.due);
        const reason = this.target.run(Math.max(1, until - this.target.machine.icount), before);
        const stop = this.#stopOf(reason);
        if (stop !== undefined && stop.reason !== "pause") return stop;
        if (this.#goalReached) return "reached";
        if (stop !== undefined) return stop;
        if (this.#outcome !== undefined) return this.#outcome;
        if (this.#rearm) this.#armAgain(goal);
        const now = this.target.machine.icount;
        if (now >= this.recorder.due) this.recorder.note();
        if (now >= icount || before === this.target.machine.nextCpu) return "reached";
        if (now >= end) return undefined;
      }
    });
  }

  /** Lets messages in if it has been a while; a long loop of small steps calls it. True if a pause has been asked for. */
  async breathe(): Promise<boolean> {
    const now = performance.now();
    if (now - this.#lastBreath < BREATH_MILLISECONDS) return this.#pauseRequested;
    await breathe();
    this.#lastBreath = performance.now();
    return this.#pauseRequested;
  }

  /** Runs until user mode is entered by `thread` (any if not said), or it ends, or something stops it first. */
  runToUser(thread?: number): Promise<Stop | "reached"> {
    const { cpus } = this.target.machine;
    let ours = thread;
    const isOurs = (cpu: number) => ours === undefined || this.threads.on(cpus[cpu]!) === ours;
    return this.run({
      event: (event) => {
        // the thread that begins a program goes on as its process's first one
        if (ours !== undefined && this.beginsProgram(ours, event)) ours = this.threads.on(cpus[event.cpu]!);
        return event.type === "exit" ? event.toCpl === 3 && isOurs(event.cpu) : this.isEndOf(ours, event);
      },
    });
  }

  /** Whether it is that thread's execve. */
  beginsProgram(thread: number, { type, tid }: MachineEvent): boolean {
    return type === "exec" && this.threads.ofPid(tid) === thread;
  }

  /** Whether another task is switched to from that thread for good. */
  isEndOf(thread: number | undefined, { type, from }: MachineEvent): boolean {
    return (
      type === "switch" && thread !== undefined && this.threads.ofPid(from) === thread && this.threads.hasEnded(thread)
    );
  }

  /** A breakpoint at the present place that wants to stop, without moving. */
  breakpointHere(): Hit {
    return this.breakpoints.hit(this.cpu.linearIp, expressionScope(this.target, this.cpu));
  }

  /** The conditions of breakpoints at an address, for compiled code. */
  #testAt(cpu: Cpu, address: Addr, bits: 16 | 32 | 64): Test | undefined {
    const conditions = this.breakpoints.conditionsAt(address);
    return conditions && testOf(conditions, expressionScope(this.target, cpu), bits);
  }

  /** Asked by the processor at an armed address. */
  #stopsAt(cpu: Cpu): boolean {
    if (this.#entries.isGoingOn(cpu)) return false;
    if (this.#mode === "search") {
      this.#passed();
      return false;
    }
    this.#outcome = this.#atBreakpoint(cpu.linearIp, this.#goal);
    return this.#outcome !== undefined;
  }

  #atBreakpoint(address: Addr, goal: Goal): Stop | "reached" | undefined {
    const hit = this.breakpoints.hit(address, expressionScope(this.target, this.cpu));
    for (const text of hit.logs) this.onLog(text);
    if (hit.stops.length > 0) return { reason: "breakpoint", ids: hit.stops, kind: hit.kind ?? "source" };
    if (goal.addresses?.includes(address) && (goal.reached?.() ?? true)) return "reached";
    return undefined;
  }

  #stopOf(reason: StopReason): Stop | undefined {
    const caught = this.#caught;
    this.#caught = undefined;
    switch (reason.kind) {
      case "exit":
        this.#ended = { reason: "exited", status: reason.status, signal: reason.signal };
        return caught ?? this.#ended;
      case "halt":
        this.#ended = { reason: "halted", why: "HLT, and nothing can wake the processor" };
        return this.#ended;
      case "shutdown":
        this.#ended = { reason: "halted", why: `the processor shut down: ${reason.why}` };
        return this.#ended;
      case "request": {
        const ours = this.#writes.length > 0 || this.#rearm;
        return (
          caught ??
          this.#stopAtData(this.#takeWrites()) ??
          (ours && !this.#pauseRequested ? undefined : { reason: "pause" })
        );
      }
      case "watchpoint":
        return caught ?? this.#stopAtData(this.#accessed(reason.hit));
      default:
        return caught;
    }
  }

  /** What a run looks out for. */
  everyBreakpoint(): Armed {
    return { addresses: this.#addressesAnd([]), physical: this.#physical(), data: this.data };
  }

  #physical(): ReadonlySet<number> {
    const { places } = this.breakpoints;
    return places.length === 0
      ? NONE
      : new Set(places.flatMap((place) => (place.mode === "physical" ? [place.address] : [])));
  }

  #addressesAnd(extra: readonly Addr[]): Set<Addr> {
    const addresses = this.breakpoints.addresses();
    for (const address of extra) addresses.add(address);
    for (const place of this.breakpoints.places) {
      if (place.mode === "segmented") for (const address of linearOf(this.cpu, place)) addresses.add(address);
    }
    return addresses;
  }

  #armFor(goal: Goal): void {
    this.#arm({
      ...this.everyBreakpoint(),
      addresses: this.#addressesAnd(goal.addresses ?? []),
      tested: goal.addresses === undefined,
    });
  }

  #armAgain(goal: Goal): void {
    this.#rearm = false;
    for (const cpu of this.target.machine.cpus) {
      this.#mark(cpu, this.#addressesAnd(goal.addresses ?? []));
    }
    this.#setArmed(this.#armed);
    this.#marked = this.breakpoints.version;
  }

  #arm({ addresses, data, physical = NONE, tested = true }: Armed): void {
    this.#watched = data;
    this.#remembered = data.version;
    if (data.any) data.remember(this.view);
    for (const cpu of this.target.machine.cpus) {
      this.#mark(cpu, addresses);
      cpu.setPhysicalBreakpoints(physical);
    }
    this.#setArmed(tested ? ARMED.TESTED : ARMED.ALL);
    this.#marked = this.breakpoints.version;
  }

  /** Arms, or disarms, what the processors know of. */
  #setArmed(armed: Arming): void {
    this.#armed = armed;
    const watched = armed === ARMED.OFF ? [] : this.#watched.ranges();
    for (const cpu of this.target.machine.cpus) {
      cpu.armBreakpoints(armed);
      cpu.setWatchpoints(watched);
    }
  }

  /** Code that was compiled with the tests of other breakpoints goes. */
  #mark(cpu: Cpu, addresses: ReadonlySet<Addr>): void {
    if (this.#marked !== this.breakpoints.version) cpu.setBreakpoints([]);
    cpu.setBreakpoints(addresses);
  }
}
