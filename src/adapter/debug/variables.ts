/** A tree of named values as the Variables view shows it. Children are made when asked for; a leaf may be written. */
import type { Addr } from "../../emu/cpu/state.ts";
import { allBits, type DataPlace } from "./data-breakpoints.ts";
import { formatOf, formatValue } from "./expression.ts";
import { hex } from "./format.ts";
import type { Reference } from "./reference.ts";

export interface Variable {
  readonly name: string;
  readonly value: string;
  /** Shown on hover. */
  readonly type?: string | undefined;
  /** Gives the same value in a watch. */
  readonly evaluateName?: string | undefined;
  readonly address?: Addr | undefined;
  /** Of what is in no memory: its value, where that may be an address. */
  readonly pointsTo?: bigint | undefined;
  /** What a data breakpoint on it would watch. */
  readonly place?: DataPlace | undefined;
  readonly children?: (() => readonly Variable[]) | undefined;
  /** Where a new value goes; absent = read-only. */
  readonly reference?: Reference | undefined;
}

/** One of the groups at the top of the view. */
export interface VariableScope {
  readonly name: string;
  readonly hint?: "registers" | "locals" | "arguments";
  readonly expensive: boolean;
  readonly variables: () => readonly Variable[];
}

/** Whether it may be an address. */
export const mayPoint = ({ bits, real }: { readonly bits: number; readonly real?: unknown }): boolean =>
  (bits === 32 || bits === 64) && real === undefined;

/** A leaf that shows a reference: hexadecimal at its width, or "not mapped". */
export function leaf(name: string, reference: Reference, more: Partial<Variable> = {}): Variable {
  const value = reference.read();
  return {
    name,
    value: more.value ?? shown(value, reference),
    evaluateName: name,
    address: reference.address,
    pointsTo: mayPoint(reference) ? value : undefined,
    place: placeOf(reference),
    reference: reference.write === undefined ? undefined : reference,
    ...more,
  };
}

function shown(value: bigint | undefined, reference: Reference): string {
  const { bits } = reference;
  if (value === undefined) return "not mapped";
  const format = formatOf(reference);
  if (format === "f" || bits > 64 || reference.elements !== undefined)
    return formatValue({ value, bits, format, reference });
  return bits === 1 ? value.toString() : hex(value, Math.ceil(bits / 4) * 4);
}

/** The elements of a vector, each a variable. */
export const elementsOf = ({ elements = [] }: Reference, evaluateName: string | undefined): Variable[] =>
  elements.map((each, i) => leaf(`[${i}]`, each, { evaluateName: evaluateName && `${evaluateName}[${i}]` }));

export const group = (name: string, value: string, children: () => readonly Variable[], type?: string): Variable => ({
  name,
  value,
  children,
  type,
});

/** The memory behind a reference; undefined for a register. */
export function placeOf({ address, process, bits, within }: Reference): DataPlace | undefined {
  if (address === undefined) return undefined;
  if (within !== undefined) return { address, process, ...within };
  const bytes = Math.max(1, bits >> 3);
  return { address, process, bytes, mask: allBits(bytes) };
}
