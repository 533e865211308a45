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
import type { Reference } from "../debug/reference.ts";
import type { RunControl, Stop } from "../debug/run-control.ts";
import { expressionScope } from "../debug/scope.ts";
import { callStack, type Frame } from "../debug/stack.ts";
import type { Target } from "../debug/target.ts";
import type { Variable } from "../debug/variables.ts";
import { notLaunched, notStopped } from "./errors.ts";
import { Progress } from "./progress.ts";
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

/** The only thread there is until tasks can be many. */
export const THREAD = 1;

export class Context {
  readonly client: Client;
  readonly files: FileSystem;
  readonly sources = new Sources();
  readonly breakpoints = new Breakpoints();
  /** 0-based lines and columns are what we use; a client that says so counts from 1. */
  lineBase = 1;
  columnBase = 1;
  running = false;
  readonly progress: Progress;
  lastStop: Stop | undefined;
  /** Whether the kernel's timeline is printed as it happens. */
  tracing = false;
  /** Instants by name. */
  readonly bookmarks = new Map<string, number>();
  /** Results of the console, for `$1` and `$`. */
  readonly results: Reference[] = [];
  #launched: Launched | undefined;
  #frames: readonly Frame[] = [];
  #gotoTargets: number[] = [];
  readonly #children: (() => readonly Variable[])[] = [];

  constructor(client: Client, files: FileSystem) {
    this.client = client;
    this.files = files;
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
    this.dropHandles();
  }

  setLaunchedConfiguration(changes: Partial<LaunchConfiguration>): void {
    const { launched } = this;
    this.#launched = { ...launched, configuration: { ...launched.configuration, ...changes } };
  }

  /** @throws RequestError while the program runs: its state is not to be read between instructions of a slice. */
  get stopped(): Launched {
    if (this.running) throw notStopped();
    return this.launched;
  }

  /** Does something to the stopped program that takes long and ends where it began; requests that need a stopped one wait for it. */
  async busy<T>(title: string, action: () => Promise<T>): Promise<T> {
    const { control } = this.stopped;
    this.running = true;
    control.begin();
    try {
      return await this.progress.during(control, title, action);
    } finally {
      this.running = false;
    }
  }

  get cpu(): Cpu {
    return this.launched.target.machine.currentCpu;
  }
  get scope(): Scope {
    const scope = expressionScope(this.launched.target, this.cpu);
    return { ...scope, name: (name) => this.#earlierResult(name) ?? scope.name(name) };
  }

  /** `$` is the last result of the console, `$3` its third. */
  #earlierResult(name: string): Reference | undefined {
    const match = /^\$(\d*)$/.exec(name);
    if (match === null) return undefined;
    return match[1] === "" ? this.results.at(-1) : this.results[Number(match[1]) - 1];
  }

  get frames(): readonly Frame[] {
    if (this.#frames.length === 0) this.#frames = callStack(this.stopped.target, this.cpu);
    return this.#frames;
  }

  /** A variablesReference for lazily made children. */
  handle(children: () => readonly Variable[]): number {
    return this.#children.push(children);
  }
  childrenOf(reference: number): readonly Variable[] | undefined {
    return this.#children[reference - 1]?.();
  }
  /** An id for a place to jump to, valid until the program runs. */
  gotoTarget(address: Addr): number {
    return this.#gotoTargets.push(address);
  }
  addressOfGotoTarget(id: number): Addr | undefined {
    return this.#gotoTargets[id - 1];
  }

  dropHandles(): void {
    this.#gotoTargets = [];
    this.#children.length = 0;
    this.#frames = [];
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
