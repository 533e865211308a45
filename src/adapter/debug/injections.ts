/**
 * Where an injection strikes: `label`, `label+4 if rax == 1`, `#12000` (before that instruction), `event fault if vector == 14`, or
 * `if TS_COMPAT` (before any instruction at which that holds). Errors say the column. A run can go to such a place, too.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { bigToAddr } from "../../emu/cpu/state.ts";
import type { Trigger } from "../../emu/kernel/types.ts";
import { eventScope } from "./exceptions.ts";
import { evaluate, type Scope } from "./expression.ts";
import { parseExpression } from "./expression-tree.ts";
import { ExpressionError } from "./reference.ts";
import type { Goal, RunControl } from "./run-control.ts";
import type { Addresses } from "./scope.ts";

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
export function readTrigger(at: string, symbols: Addresses, scopeOf: (cpu: Cpu) => Scope): Trigger | string {
  try {
    const [, place = "", keyword, condition = ""] = /^(.*?)(?:(\bif\b)(.*))?$/s.exec(at)!;
    const column = keyword === undefined ? 0 : place.length + keyword.length;
    const holds = keyword === undefined ? {} : { holds: test(condition, column, scopeOf) };
    return { place: placeOf(place, keyword !== undefined, symbols), ...holds };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return `nothing to inject at "${at}": ${error.message} (column ${error.column + 1})`;
  }
}

function placeOf(text: string, isConditional: boolean, symbols: Addresses): Trigger["place"] {
  if (text.trim() === "" && isConditional) return { kind: "everywhere" };
  const count = /^\s*#(\d[\d_]*)\s*$/.exec(text);
  if (count !== null) return { kind: "instruction", icount: Number(count[1]!.replaceAll("_", "")) };
  const event = /^(\s*event\s+)(\S+)\s*$/.exec(text);
  if (event === null) return { kind: "address", address: addressOf(text, symbols) };
  const [, before = "", type = ""] = event;
  if (!EVENTS.includes(type)) throw new ExpressionError(`the events are ${EVENTS.join(", ")}`, before.length);
  return { kind: "event", type };
}

/** A place is known before the program runs: symbols and numbers. */
function addressOf(text: string, symbols: Addresses): number {
  const { value } = evaluate(text, {
    wordBytes: 8,
    name: (name) => {
      const address = symbols.address(name);
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
    parseExpression(condition);
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
      return { addresses: [place.address], reached: () => holds?.(control.cpu, undefined) ?? true };
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
