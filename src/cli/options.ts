/** Reading the options shared by the commands, each with one clear complaint. */
import { parseArgs } from "node:util";
import type { Bits, Dialect } from "../asmlang/types.ts";
import type { CpuModel } from "../emu/machine/types.ts";
import { UsageError } from "./usage.ts";

type Spec = NonNullable<Parameters<typeof parseArgs>[0]>["options"];
export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

/** `args` up to "--" by `spec`; an option nobody knows is a usage error. */
export function parse(args: readonly string[], spec: Spec): Parsed {
  try {
    return parseArgs({ args: [...args], options: spec ?? {}, allowPositionals: true, strict: true });
  } catch (error) {
    const [first] = (error as Error).message.split(". ");
    throw new UsageError(`${first} (see ringside --help)`);
  }
}

export const text = (parsed: Parsed, name: string): string | undefined => parsed.values[name] as string | undefined;
export const texts = (parsed: Parsed, name: string): string[] => (parsed.values[name] as string[] | undefined) ?? [];
export const flag = (parsed: Parsed, name: string): boolean => parsed.values[name] === true;

/** A whole number in [least, most]; hexadecimal as 0x.. . */
export function number(parsed: Parsed, name: string, fallback: number, least: number, most: number): number {
  const value = text(parsed, name);
  if (value === undefined) return fallback;
  const n = /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : Number.NaN;
  if (!(n >= least && n <= most))
    throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not "${value}"`);
  return n;
}

export function choice<T extends string>(parsed: Parsed, name: string, choices: readonly T[], fallback: T): T {
  const value = text(parsed, name) ?? fallback;
  if (!choices.includes(value as T)) throw new UsageError(`--${name} takes ${choices.join(", ")}, not "${value}"`);
  return value as T;
}

/** Repeated K=V options as a record. */
export function pairs(parsed: Parsed, name: string): Record<string, string> {
  const entries = texts(parsed, name).map((item) => {
    const at = item.indexOf("=");
    if (at < 1) throw new UsageError(`--${name} takes KEY=VALUE, not "${item}"`);
    return [item.slice(0, at), item.slice(at + 1)] as const;
  });
  return Object.fromEntries(entries);
}

export const bitsOption = (parsed: Parsed): Bits => Number(choice(parsed, "bits", ["16", "32", "64"], "64")) as Bits;
export const dialectOption = (parsed: Parsed): Dialect | "auto" =>
  choice(parsed, "dialect", ["auto", "gas", "nasm"] as const, "auto");

export function cpuOption(parsed: Parsed): CpuModel {
  return {
    vendor: choice(parsed, "cpu", ["intel", "amd"] as const, "intel"),
    model: choice(parsed, "model", ["286", "386", "current"] as const, "current"),
    quirks: texts(parsed, "quirk"),
  };
}
