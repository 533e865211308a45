/**
 * Where an injection strikes: `label`, `label+4 if rax == 1`, `#12000` (before that instruction), `event fault if vector == 14`, or
 * `if TS_COMPAT` (before any instruction at which that holds). Errors say the column. A run can go to such a place, too.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import type { Trigger } from "../../emu/kernel/types.ts";
import { eventScope } from "./exceptions.ts";
import { evaluate, type Scope } from "./expression.ts";
import { checkQuestion } from "./expression-tree.ts";
import { ExpressionError } from "./reference.ts";
import type { Goal, RunControl } from "./run-control.ts";
import type { Addresses } from "./scope.ts";
import type { Spaces } from "./spaces.ts";

/** Types of events that there are to wait for. */
const EVENTS: readonly string[] = [
  "entry",
  "exit",
  "exit-refused",
  "exit-work",
  "fault",
  "signal",
  "syscall-enter",
  "syscall",
  "upcall",
  "switch",
  "fork",
  "exec",
];

/** @returns one sentence, with its column, if the place makes no sense. */
export function readTrigger(at: string, spaces: Spaces, scopeOf: (cpu: Cpu) => Scope): Trigger | string {
  try {
    const [, place = "", keyword, condition = ""] = /^(.*?)(?:(\bif\b)(.*))?$/s.exec(at)!;
    const column = keyword === undefined ? 0 : place.length + keyword.length;
    const holds = keyword === undefined ? {} : { holds: test(condition, column, scopeOf) };
    return notAtAddress(place, keyword !== undefined, holds) ?? atAddress(place, spaces, holds);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return `nothing to inject at "${at}": ${error.message} (column ${error.column + 1})`;
  }
}

type Holds = Pick<Trigger, "holds">;

function notAtAddress(text: string, isConditional: boolean, holds: Holds): Trigger | undefined {
  if (text.trim() === "" && isConditional) return { place: { kind: "everywhere" }, ...holds };
  const count = /^\s*#(\d[\d_]*)\s*$/.exec(text);
  if (count !== null)
    return { place: { kind: "instruction", icount: Number(count[1]!.replaceAll("_", "")) }, ...holds };
  const event = /^(\s*event\s+)(\S+)\s*$/.exec(text);
  if (event === null) return undefined;
  const [, before = "", type = ""] = event;
  if (!EVENTS.includes(type)) throw new ExpressionError(`the events are ${EVENTS.join(", ")}`, before.length);
  return { place: { kind: "event", type }, ...holds };
}

/** In each program that has the names, and there only; in one that is still to begin, once it does. */
function atAddress(text: string, spaces: Spaces, { holds }: Holds): Trigger {
  const places = () => spaces.live().flatMap(({ symbols }) => addressIn(text, symbols) ?? []);
  if (places().length === 0) addressOf(text, (name) => somewhere(spaces, name));
  return {
    place: { kind: "address", addresses: () => [...new Set(places())] },
    holds: (cpu, event) => (holds?.(cpu, event) ?? true) && addressIn(text, spaces.of(cpu).symbols) === cpu.linearIp,
  };
}

/** Any address, of a name that there is or may be: that the text makes sense is all that it is for. */
const somewhere = (spaces: Spaces, name: string): Addr | undefined =>
  spaces.live().flatMap(({ symbols }) => symbols.address(name) ?? [])[0] ?? (spaces.knows(name) ? 0 : undefined);

function addressIn(text: string, symbols: Addresses): Addr | undefined {
  try {
    return addressOf(text, (name) => symbols.address(name));
  } catch (error) {
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
}

/** A place is known before the program runs: symbols and numbers. */
function addressOf(text: string, addressOfName: (name: string) => Addr | undefined): Addr {
  const { value } = evaluate(text, {
    wordBytes: 8,
    name: (name) => {
      const address = addressOfName(name);
      return address === undefined ? undefined : { bits: 64, read: () => BigInt.asUintN(64, BigInt(address)), address };
    },
    memory: () => {
      throw new ExpressionError(
        "memory is not known before the program runs: ask for it behind `if`",
        text.indexOf("["),
      );
    },
  });
  return bigToAddr(value);
}

/** Not true while something in it cannot be read. */
function test(condition: string, column: number, scopeOf: (cpu: Cpu) => Scope): NonNullable<Trigger["holds"]> {
  try {
    checkQuestion(condition);
  } catch (error) {
    if (error instanceof ExpressionError) throw new ExpressionError(error.message, error.column + column);
    throw error;
  }
  return (cpu, event) => {
    const scope = scopeOf(cpu);
    try {
      return evaluate(condition, event === undefined ? scope : eventScope(event, scope)).value !== 0n;
    } catch (error) {
      if (error instanceof ExpressionError) return false;
      throw error;
    }
  };
}

/** The place as a run's goal; undefined for one that is everywhere. */
export function goalOf(control: RunControl, { place, holds }: Trigger): Goal | undefined {
  switch (place.kind) {
    case "address":
      return {
        get addresses() {
          return place.addresses();
        },
        reached: () => holds?.(control.cpu, undefined) ?? true,
      };
    case "instruction":
      return { icount: place.icount };
    case "event":
      return {
        event: (event) =>
          event.type === place.type && (holds?.(control.target.machine.cpus[event.cpu]!, event) ?? true),
      };
    default:
      return undefined;
  }
}
