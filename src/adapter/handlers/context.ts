/**
 * What the handlers of one session share: the launched target and how to reach the client. Values that are valid only while
 * stopped (variable and frame handles) are dropped with every resume.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import { Breakpoints } from "../debug/breakpoints.ts";
import type { LaunchConfiguration } from "../debug/configuration.ts";
import type { Scope } from "../debug/expression.ts";
import type { FileSystem } from "../debug/files.ts";
import type { History } from "../debug/history.ts";
import type { KernelHistory } from "../debug/kernel-view.ts";
import { GivenReferences, type MemoryPlace } from "../debug/memory-place.ts";
import type { Reference } from "../debug/reference.ts";
import type { EventFilter, RunControl, Stop } from "../debug/run-control.ts";
import { expressionScope } from "../debug/scope.ts";
import { SeenMemory } from "../debug/seen-memory.ts";
import { CallStack, type Frame, MOST_FRAMES } from "../debug/stack.ts";
import type { LineSpan } from "../debug/symbols.ts";
import type { Target } from "../debug/target.ts";
import type { Threads } from "../debug/threads.ts";
import type { Variable } from "../debug/variables.ts";
import { Bindings } from "./bindings.ts";
import { notLaunched, notStopped, RequestError, TooLate } from "./errors.ts";
import { Handles, type Held } from "./handles.ts";
import { Leisure } from "./leisure.ts";
import { Printed } from "./printed.ts";
import type { Told } from "./programs.ts";
import { Progress } from "./progress.ts";
import type { Shelf } from "./shelf.ts";
import { Shown } from "./shown.ts";
import { Sources } from "./sources.ts";

export interface Client {
  event(event: string, body?: unknown): void;
  /** Runs after the response to the present request has gone out. */
  afterResponse(action: () => void): void;
}

export interface Launched {
  readonly configuration: LaunchConfiguration;
  readonly target: Target;
  readonly control: RunControl;
  readonly kernelHistory: KernelHistory | undefined;
  readonly history: History;
  /** Ends the subscriptions that feed the client. */
  readonly close: () => void;
}

/** A frame of the call stack of a thread, as a client names it. */
export interface Selected {
  readonly thread: number;
  /** 0 = the innermost. */
  readonly index: number;
  readonly frame: Frame;
  readonly cpu: Cpu;
}

/** Frame ids: those of the thread that stopped are 1, 2, ..., those of the next one looked at 100001, 100002, ... */
const IDS_OF_A_THREAD = MOST_FRAMES;

export class Context {
  readonly client: Client;
  readonly files: FileSystem;
  /** Where a program can be left that outlives this session. */
  readonly shelf: Shelf | undefined;
  readonly sources = new Sources();
  readonly breakpoints = new Breakpoints();
  readonly bindings = new Bindings(this.breakpoints);
  /** 0-based lines and columns are what we use; a client that says so counts from 1. */
  lineBase = 1;
  columnBase = 1;
  running = false;
  /** Which events stop the program; a restarted one, too. */
  eventFilter: EventFilter = () => undefined;
  /** As the client gave them, for a restart. */
  launchArguments: Readonly<Record<string, unknown>> = {};
  readonly progress: Progress;
  readonly leisure = new Leisure(this);
  lastStop: Stop | undefined;
  /** What runs in the background: settled when it stands still. */
  work: Promise<unknown> = Promise.resolve();
  /** To be done to a running program as soon as it stands still; whether it runs on then. */
  interjection: (() => "run" | "stop") | undefined;
  /** Done once breakpoints are set. */
  whenConfigured: () => void = () => {};
  /** The program was another client's. */
  attached = false;
  /** It has been asked to end. */
  terminating = false;
  /** Whether the kernel's timeline is printed as it happens. */
  tracing = false;
  printed = new Printed();
  /** Programs that it knows to be loaded. */
  told: Told | undefined;
  /** References to memory that it has been given. */
  given = new GivenReferences();
  /** Memory that the client has read, and shows perhaps. */
  readonly seenMemory = new SeenMemory();
  /** What the client has said that it can do, in `initialize`: what it has not, it is not sent. */
  declared: Partial<DebugProtocol.InitializeRequestArguments> = {};
  /** The request that is being handled. */
  request: Readonly<Pick<DebugProtocol.Request, "seq" | "command">> = { seq: 0, command: "" };
  /** Instants by name. */
  readonly bookmarks = new Map<string, number>();
  /** Results of the console, for `$1` and `$`. */
  readonly results: Reference[] = [];
  #launched: Launched | undefined;
  /** What busy() is at. */
  #searching: string | undefined;
  /** The thread that stopped, or that the user steps: what is asked without a frame is asked of it. */
  #focus = 1;
  /** The thread that is being read, and the frame of it if one was chosen. */
  #reading = 1;
  #readFrame: number | undefined;
  #stacks = new Map<number, CallStack>();
  #gotoTargets: number[] = [];
  /** Lines of code that values point to, and the id of each. */
  #locations = new Map<string, number>();
  #located: LineSpan[] = [];
  readonly #handles = new Handles();
  /** What the client has been answered, for its views. */
  readonly shown = new Shown();

  constructor(client: Client, files: FileSystem, shelf: Shelf | undefined) {
    this.client = client;
    this.files = files;
    this.shelf = shelf;
    this.progress = new Progress(client);
  }

  get launched(): Launched {
    if (this.#launched === undefined) throw notLaunched();
    return this.#launched;
  }
  get isLaunched(): boolean {
    return this.#launched !== undefined;
  }
  setLaunched(launched: Launched | undefined): void {
    this.#launched?.close();
    this.#launched = launched;
    this.interjection = undefined;
    this.terminating = false;
    this.dropHandles();
    this.shown.clear();
    this.printed = new Printed();
    this.given = new GivenReferences();
  }

  setLaunchedConfiguration(changes: Partial<LaunchConfiguration>): void {
    const { launched } = this;
    this.#launched = { ...launched, configuration: { ...launched.configuration, ...changes } };
  }

  /** @throws RequestError while the program runs: its state is not to be read between instructions of a slice. */
  get stopped(): Launched {
    if (this.#searching !== undefined) throw new TooLate(`${this.#searching}: wait for it, or cancel it`);
    if (this.running) throw notStopped();
    return this.launched;
  }

  /** Does something to the stopped program that takes long and ends where it began; requests that need a stopped one wait for it. */
  async busy<T>(title: string, action: () => Promise<T>): Promise<T> {
    const { control } = this.stopped;
    const { seq } = this.request;
    this.running = true;
    this.#searching = title;
    control.begin();
    try {
      return await this.progress.during(control, title, action, seq);
    } finally {
      this.running = false;
      this.#searching = undefined;
    }
  }

  /** Something was changed by hand. Says so if that was done in the past: what had come after it is gone. */
  beginFuture(): void {
    const { history, target } = this.launched;
    const gone = history.latest - target.machine.icount;
    history.changed();
    if (gone === 0) return;
    const output = `a new future begins here: what came after it is gone (${gone} instructions)\n`;
    this.client.event("output", { category: "console", output });
  }

  get threads(): Threads {
    return this.launched.control.threads;
  }
  get focus(): number {
    return this.#focus;
  }
  set focus(thread: number) {
    this.#focus = thread;
    this.dropHandles();
  }

  /** The CPU of the thread in focus. */
  get cpu(): Cpu {
    return this.select(this.#focus) ?? this.launched.target.machine.currentCpu;
  }

  /** Makes a thread the one that is read: the CPU that runs it, or a stand-in that holds it until another is selected. */
  select(thread: number): Cpu | undefined {
    this.#reading = thread;
    this.#readFrame = undefined;
    return this.threads.seenFrom(thread);
  }

  /** The CPU of the thread that is being read. */
  get readCpu(): Cpu {
    return this.threads.seenFrom(this.#reading) ?? this.cpu;
  }

  /** A reference to memory, of the thread that is being read if nothing else is said. */
  reference(place: MemoryPlace, bits?: 16 | 32 | 64): string {
    return this.given.to(this.launched.target.kernel, this.readCpu, place, bits);
  }

  /** What a client's reference means, and a CPU to read it from. @throws RequestError if it means nothing now. */
  memoryAt(reference: string, offset = 0): { readonly address: Addr; readonly cpu: Cpu } {
    const place = this.given.placeOf(reference);
    if (place === undefined) throw new RequestError(`"${reference}" is no memory reference`);
    const { address, process } = place;
    const cpu = process === undefined ? this.cpu : this.launched.target.kernel?.seenFromProcess(process);
    if (cpu === undefined) throw new RequestError(`there is no process ${process} now`);
    return { address: address + offset, cpu };
  }

  get scope(): Scope {
    return this.scopeOf(undefined);
  }

  /** What names mean in a frame; in the one that runs if none is given. */
  scopeOf(frameId: number | undefined): Scope {
    const selected = frameId === undefined ? undefined : this.selectFrame(frameId);
    return this.#scopeAt(selected?.cpu ?? this.cpu, selected?.frame);
  }

  #scopeAt(cpu: Cpu, frame?: Frame): Scope {
    const scope = expressionScope(this.launched.target, cpu, frame);
    return { ...scope, name: (name) => this.#earlierResult(name) ?? scope.name(name) };
  }

  /** `$` is the last result of the console, `$3` its third. */
  #earlierResult(name: string): Reference | undefined {
    const match = /^\$(\d*)$/.exec(name);
    if (match === null) return undefined;
    return match[1] === "" ? this.results.at(-1) : this.results[Number(match[1]) - 1];
  }

  /** None of a thread that has ended. What it is asked for is read of the thread: it is the one selected now. */
  stackOf(thread: number): CallStack | undefined {
    const { target } = this.stopped;
    if (!this.#stacks.has(this.#focus) && thread !== this.#focus) this.stackOf(this.#focus);
    const cpu = this.select(thread);
    const known = this.#stacks.get(thread);
    if (known !== undefined || cpu === undefined) return known;
    const stack = new CallStack(target, cpu);
    this.#stacks.set(thread, stack);
    return stack;
  }

  frameId(thread: number, index: number): number {
    return [...this.#stacks.keys()].indexOf(thread) * IDS_OF_A_THREAD + index + 1;
  }

  /** The frame of an id, its thread selected. @throws RequestError if there is none now. */
  selectFrame(id: number): Selected {
    if (!this.#stacks.has(this.#focus)) this.stackOf(this.#focus);
    const thread = [...this.#stacks.keys()][Math.floor((id - 1) / IDS_OF_A_THREAD)];
    const index = (id - 1) % IDS_OF_A_THREAD;
    const frame = thread === undefined ? undefined : this.stackOf(thread)?.at(index);
    const cpu = frame && this.select(thread!);
    if (cpu === undefined) throw new TooLate(`there is no frame ${id} now`);
    this.#readFrame = id;
    return { thread: thread!, index, frame: frame!, cpu };
  }

  /** A variablesReference for lazily made children, of the thread and frame that are being read. */
  handle(path: string, children: () => readonly Variable[]): number {
    return this.#handles.give({ path, thread: this.#reading, frame: this.#readFrame, children });
  }
  /** What names mean where the variables are that were looked at last. */
  get readScope(): Scope {
    return this.#readFrame === undefined ? this.#scopeAt(this.readCpu) : this.scopeOf(this.#readFrame);
  }
  /** What a variablesReference stands for, its thread and frame selected. */
  held(reference: number): Held {
    const found = this.#handles.at(reference);
    if (found === undefined) throw new TooLate("these variables are from an earlier stop");
    if (found.frame === undefined) this.select(found.thread);
    else this.selectFrame(found.frame);
    return found;
  }
  /** undefined, too, of what is from an earlier stop. */
  childNamed(reference: number, wanted: string): Variable | undefined {
    if (this.#handles.at(reference) === undefined) return undefined;
    return this.held(reference)
      .children()
      .find(({ name }) => name === wanted);
  }

  /** An id for a place to jump to, valid until the program runs. */
  gotoTarget(address: Addr): number {
    return this.#gotoTargets.push(address);
  }
  addressOfGotoTarget(id: number): Addr | undefined {
    return this.#gotoTargets[id - 1];
  }

  /** An id for code that a value points to, valid until the program runs. */
  location(line: LineSpan): number {
    const key = `${line.uri} ${line.line}`;
    const known = this.#locations.get(key);
    if (known !== undefined) return known;
    const id = this.#located.push(line);
    this.#locations.set(key, id);
    return id;
  }
  lineOfLocation(id: number): LineSpan | undefined {
    return this.#located[id - 1];
  }

  dropHandles(): void {
    this.#gotoTargets = [];
    this.#locations = new Map();
    this.#located = [];
    this.#handles.drop();
    this.#stacks = new Map();
  }

  line(zeroBased: number): number {
    return zeroBased + this.lineBase;
  }
  fromLine(clientLine: number): number {
    return clientLine - this.lineBase;
  }
}

export type Handler = (
  context: Context,
  args: never,
) => DebugProtocol.Response["body"] | Promise<DebugProtocol.Response["body"]>;
export type HandlerTable = Readonly<Record<string, Handler>>;
