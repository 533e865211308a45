/** Breakpoints of every kind as one set of addresses, with conditions, hit counts and log messages decided when one is hit. */
import type { Addr } from "../../emu/cpu/state.ts";
import type { Where } from "./breakpoint-modes.ts";
import { ask, formatValue, type Scope } from "./expression.ts";
import { checkQuestion } from "./expression-tree.ts";
import { ExpressionError } from "./reference.ts";

export interface BreakpointRequest {
  readonly condition?: string | undefined;
  readonly hitCondition?: string | undefined;
  readonly logMessage?: string | undefined;
}

export type Within = ReadonlyMap<Addr, ReadonlySet<string>>;

export interface Breakpoint extends BreakpointRequest {
  readonly id: number;
  readonly kind: "source" | "function" | "instruction";
  readonly addresses: readonly Addr[];
  /** Of addresses that mean something in some programs only: in which, by their keys (placed-symbols.ts). */
  readonly within?: Within;
  /** Places by another mode than linear, instead of addresses. */
  readonly where?: readonly Where[];
  hits: number;
}

export interface Hit {
  /** Ids of the breakpoints that want to stop here; empty = go on. */
  readonly stops: readonly number[];
  readonly kind: Breakpoint["kind"] | undefined;
  /** Messages of log points. */
  readonly logs: readonly string[];
}

type MadeWith = Partial<Pick<Breakpoint, "where" | "within" | "id">>;

/** ">= 3", "== 2", "% 10" or a plain count. */
const HIT_CONDITION = /^\s*(>=|<=|==|=|>|<|%)?\s*(\d+)\s*$/;

export class Breakpoints {
  #nextId = 1;
  #version = 0;
  /** Those that an address may be of, as far as it has been asked. */
  readonly #at = new Map<Addr, readonly Breakpoint[]>();
  readonly #groups = new Map<string, readonly Breakpoint[]>();
  /** Whether the CPU that stopped is at a place; whoever runs the program says so. */
  standsAt: (place: Where) => boolean = () => false;
  /** Whether its address space holds one of these; likewise. */
  holds: (keys: ReadonlySet<string>) => boolean = () => true;

  /** Replaces the breakpoints of one group: a source's URI, "function" or "instruction". */
  replace(group: string, breakpoints: readonly Breakpoint[]): void {
    this.#groups.set(group, breakpoints);
    this.#version++;
    this.#at.clear();
  }

  /** Changes with every change of the breakpoints. */
  get version(): number {
    return this.#version;
  }

  /** Conditions of which one must hold for anything to happen at an address; undefined if something may whatever holds. */
  conditionsAt(address: Addr): string[] | undefined {
    const conditions: string[] = [];
    for (const { addresses, condition = "" } of this.all) {
      if (addresses.length > 0 && !addresses.includes(address)) continue;
      if (addresses.length === 0 || condition.trim() === "") return undefined;
      conditions.push(condition);
    }
    return conditions.length === 0 ? undefined : conditions;
  }

  make(
    kind: Breakpoint["kind"],
    addresses: readonly Addr[],
    request: BreakpointRequest,
    { where, within, id = this.nextId() }: MadeWith = {},
  ): Breakpoint {
    const { condition, hitCondition, logMessage } = request;
    const inSome = within === undefined ? { addresses } : { addresses, within };
    const places = where === undefined ? inSome : { addresses: [], where };
    return { condition, hitCondition, logMessage, id, kind, ...places, hits: 0 };
  }

  /** Places by other modes than linear. */
  get places(): readonly Where[] {
    return this.all.flatMap(({ where }) => where ?? []);
  }

  /** Ids of data breakpoints come from here too: they are unique in a session. */
  nextId(): number {
    return this.#nextId++;
  }

  get all(): readonly Breakpoint[] {
    return [...this.#groups.values()].flat();
  }

  addresses(): Set<Addr> {
    return new Set(this.all.flatMap((breakpoint) => breakpoint.addresses));
  }

  #near(address: Addr): readonly Breakpoint[] {
    let near = this.#at.get(address);
    if (near === undefined) {
      near = this.all.filter(({ addresses, where }) => where !== undefined || addresses.includes(address));
      this.#at.set(address, near);
    }
    return near;
  }

  /** Called with execution at `address`; counts hits and evaluates conditions in `scope`. */
  hit(address: Addr, scope: Scope): Hit {
    const stops: number[] = [];
    const logs: string[] = [];
    let kind: Breakpoint["kind"] | undefined;
    for (const breakpoint of this.#near(address)) {
      if (!this.#isAt(breakpoint, address) || !this.#wants(breakpoint, scope, logs)) continue;
      if (breakpoint.logMessage !== undefined) logs.push(interpolate(breakpoint.logMessage, scope));
      else {
        stops.push(breakpoint.id);
        kind ??= breakpoint.kind;
      }
    }
    return { stops, kind, logs };
  }

  /** Whether execution at `address` would stop, without counting hits or logging: for going back. */
  wouldStop(address: Addr, scope: Scope): { ids: number[]; kind: Breakpoint["kind"] } | undefined {
    const stopping = this.#near(address).filter(
      (breakpoint) =>
        this.#isAt(breakpoint, address) &&
        breakpoint.logMessage === undefined &&
        conditionHolds(breakpoint.condition, scope, []),
    );
    return stopping.length === 0 ? undefined : { ids: stopping.map(({ id }) => id), kind: stopping[0]!.kind };
  }

  #isAt({ addresses, within, where }: Breakpoint, address: Addr): boolean {
    if (where !== undefined) return where.some((place) => this.standsAt(place));
    const keys = within?.get(address);
    return addresses.includes(address) && (keys === undefined || this.holds(keys));
  }

  #wants(breakpoint: Breakpoint, scope: Scope, logs: string[]): boolean {
    if (!conditionHolds(breakpoint.condition, scope, logs)) return false;
    breakpoint.hits++;
    return hitConditionHolds(breakpoint.hitCondition, breakpoint.hits);
  }
}

/** What is wrong with a request, in a sentence; undefined if nothing. Only syntax: names may come later. */
export function requestProblem({ condition, hitCondition, logMessage }: BreakpointRequest): string | undefined {
  return conditionProblem(condition) ?? hitConditionProblem(hitCondition) ?? logMessageProblem(logMessage);
}

export function conditionProblem(condition: string | undefined): string | undefined {
  return isBlank(condition) ? undefined : questionProblem(`condition "${condition}"`, condition!);
}

const isBlank = (text: string | undefined): boolean => text === undefined || text.trim() === "";

function hitConditionProblem(text: string | undefined): string | undefined {
  if (isBlank(text)) return undefined;
  const match = HIT_CONDITION.exec(text!);
  if (match?.[1] === "%" && Number(match[2]) === 0) return `"${text}" never happens: nothing is divided by 0`;
  return match !== null ? undefined : `a hit condition is a count, or one of >= <= == > < % before one, not "${text}"`;
}

function logMessageProblem(message = ""): string | undefined {
  const rest = message.replace(PLACEHOLDERS, "");
  if (rest.includes("{")) return "the log message has a { without a }: a plain brace is written \\{";
  const problems = [...message.matchAll(PLACEHOLDERS)].map(([whole, , expression]) =>
    expression === undefined ? undefined : questionProblem(whole, expression),
  );
  return problems.find((problem) => problem !== undefined);
}

function questionProblem(what: string, text: string): string | undefined {
  try {
    checkQuestion(text);
    return undefined;
  } catch (error) {
    if (error instanceof ExpressionError) return `${what}: ${error.message} (column ${error.column + 1})`;
    throw error;
  }
}

/** A condition that cannot be evaluated stops, and says why: silence would hide the mistake. */
export function conditionHolds(condition: string | undefined, scope: Scope, logs: string[]): boolean {
  if (isBlank(condition)) return true;
  try {
    return ask(condition!, scope).value !== 0n;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    logs.push(`breakpoint condition "${condition}": ${error.message} (column ${error.column + 1})`);
    return true;
  }
}

/** `hits` counts the present one. */
export function hitConditionHolds(text: string | undefined, hits: number): boolean {
  const match = HIT_CONDITION.exec(text ?? "");
  if (match === null) return true;
  const count = Number(match[2]);
  switch (match[1]) {
    case ">=":
      return hits >= count;
    case "<=":
      return hits <= count;
    case ">":
      return hits > count;
    case "<":
      return hits < count;
    case "%":
      return count !== 0 && hits % count === 0;
    case "=":
    case "==":
      return hits === count;
    default:
      return hits >= count;
  }
}

/** In a log message: a brace behind a backslash, or an expression between braces. */
const PLACEHOLDERS = /\\([{}])|\{([^}]*)\}/g;

/** `{expression}` in a log message is replaced by its value; `\{` is a brace. */
export function interpolate(message: string, scope: Scope): string {
  return message.replace(PLACEHOLDERS, (_, escaped: string | undefined, expression: string | undefined) => {
    if (escaped !== undefined) return escaped;
    try {
      return formatValue(ask(expression ?? "", scope));
    } catch (error) {
      if (error instanceof ExpressionError) return `{${expression}: ${error.message}}`;
      throw error;
    }
  });
}
