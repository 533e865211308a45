/** The launch configuration (a contract, see package.json's schema) checked and filled in: either options or one clear sentence. */

import { isAbsolute } from "../../asmlang/core/uri.ts";
import type { Bits, Dialect } from "../../asmlang/types.ts";
import { DEFAULTS } from "../../emu/cpu/memory.ts";
import type { Injection } from "../../emu/kernel/types.ts";
import type { CpuModel } from "../../emu/machine/types.ts";
import { resolveUri } from "./includes.ts";

export interface LaunchConfiguration {
  /** URI. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
  /** URI of a folder that is the guest's root. */
  readonly root: string | undefined;
  /** Files of the guest by their paths there: URIs. */
  readonly files: Readonly<Record<string, string>>;
  readonly arch: "x86_64" | "i386" | "bare";
  readonly bits: Bits;
  readonly cpu: CpuModel;
  readonly cpus: number;
  readonly preset: string;
  readonly designs: Readonly<Record<string, string>>;
  /** URI of the user's own entry code. */
  readonly entry: string | undefined;
  readonly dialect: Dialect | "auto";
  readonly stopOnEntry: boolean;
  readonly stepIntoKernel: boolean;
  readonly inject: readonly Injection[];
  readonly seed: number;
  readonly historyMegabytes: number;
  readonly noDebug: boolean;
}

/** Thrown for a configuration that cannot be used; the message is for the user. */
export class ConfigurationError extends Error {}

type Raw = Readonly<Record<string, unknown>>;

/** @param folder URI of what a relative program, or `cwd`, is in. @throws ConfigurationError naming the attribute and what it takes. */
export function readConfiguration(raw: Raw, folder?: string): LaunchConfiguration {
  const arch = choice(raw, "arch", ["x86_64", "i386", "bare"] as const, "x86_64");
  const program = placeIn(raw.cwd === undefined ? folder : placeIn(folder, text(raw, "cwd")), text(raw, "program"));
  const beside = (place: string) => placeBeside(program, place);
  return {
    program,
    args: strings(raw, "args"),
    env: stringRecord(raw.env ?? {}, "env"),
    stdin: text(raw, "stdin", ""),
    root: raw.root === undefined ? undefined : beside(text(raw, "root")),
    files: readFiles(raw.files ?? {}, beside),
    arch,
    bits: choice(raw, "bits", [16, 32, 64] as const, arch === "bare" ? 16 : 64),
    ...readCpu(raw.cpu ?? "intel"),
    ...readKernel(raw.kernel ?? "linux-6.1", beside),
    dialect: choice(raw, "dialect", ["auto", "gas", "nasm"] as const, "auto"),
    stopOnEntry: boolean(raw, "stopOnEntry", true),
    stepIntoKernel: boolean(raw, "stepIntoKernel", false),
    inject: readInjections(raw.inject ?? []),
    seed: whole(raw, "seed", 1, 0, 0xffff_ffff),
    historyMegabytes: whole(raw, "historyMegabytes", 512, 16, 65536),
    noDebug: boolean(raw, "noDebug", false),
  };
}

/** Half a character, which no file system has. */
const SURROGATE = /\p{Surrogate}/gu;

/** A path becomes a file URI; a URI stays. */
export function toUri(place: string): string {
  if (/^[a-z][\w+.-]+:/i.test(place) && !/^[a-z]:[\\/]/i.test(place)) return place;
  const slashes = place.replaceAll("\\", "/").replaceAll(SURROGATE, "\ufffd");
  return `file://${slashes.startsWith("/") ? "" : "/"}${slashes.split("/").map(encodeURIComponent).join("/").replaceAll("%3A", ":")}`;
}

/** A relative place is one beside the program. */
const placeBeside = (program: string, place: string): string =>
  isAbsolute(place) ? toUri(place) : resolveUri(program, toUri(place).slice(FILE_ROOT.length));

const placeIn = (folder: string | undefined, place: string): string =>
  folder === undefined ? toUri(place) : placeBeside(`${folder}/`, place);

const FILE_ROOT = "file:///";

/** Characters of a wrong value that are told back. */
const MOST_SHOWN = 200;

function fail(name: string, wanted: string, value: unknown): never {
  const text = JSON.stringify(value) ?? "nothing";
  const shown = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text;
  throw new ConfigurationError(`launch configuration: "${name}" takes ${wanted}, not ${shown}`);
}

function text(raw: Raw, name: string, fallback?: string): string {
  const value = raw[name] ?? fallback;
  return typeof value === "string" ? value : fail(name, "text", value);
}

function boolean(raw: Raw, name: string, fallback: boolean): boolean {
  const value = raw[name] ?? fallback;
  return typeof value === "boolean" ? value : fail(name, "true or false", value);
}

function whole(raw: Raw, name: string, fallback: number, least: number, most: number): number {
  const value = raw[name] ?? fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  return fail(name, `a whole number from ${least} to ${most}`, value);
}

function choice<T extends string | number>(raw: Raw, name: string, choices: readonly T[], fallback: T): T {
  const value = raw[name] ?? fallback;
  return choices.includes(value as T) ? (value as T) : fail(name, `one of ${choices.join(", ")}`, value);
}

function strings(raw: Raw, name: string): string[] {
  const value = raw[name] ?? [];
  return Array.isArray(value) && value.every((item) => typeof item === "string")
    ? value
    : fail(name, "a list of texts", value);
}

function stringRecord(value: unknown, name: string): Record<string, string> {
  const isRecord =
    typeof value === "object" && value !== null && Object.values(value).every((item) => typeof item === "string");
  return isRecord ? (value as Record<string, string>) : fail(name, "an object of texts", value);
}

/** As the kernel has them: from its root, without "." and "..". */
export const isGuestPath = (path: string): boolean => /^(\/(?!\.{0,2}(\/|$))[^/\0]*)+$/.test(path);

function readFiles(value: unknown, beside: (place: string) => string): Record<string, string> {
  const files = Object.entries(stringRecord(value, "files"));
  for (const [path] of files) if (!isGuestPath(path)) fail("files", `paths of the guest ("/bin/child")`, path);
  return Object.fromEntries(files.map(([path, place]) => [path, beside(place)]));
}

function readCpu(value: unknown): { cpu: CpuModel; cpus: number } {
  const raw: Raw =
    typeof value === "string"
      ? { vendor: value }
      : typeof value === "object" && value !== null
        ? (value as Raw)
        : fail("cpu", `"intel", "amd" or an object`, value);
  const cpu: CpuModel = {
    vendor: choice(raw, "vendor", ["intel", "amd"] as const, "intel"),
    model: choice(raw, "model", ["286", "386", "current"] as const, "current"),
    quirks: strings(raw, "quirks"),
  };
  return { cpu, cpus: whole(raw, "count", DEFAULTS.cpus, 1, 8) };
}

function readKernel(
  value: unknown,
  beside: (place: string) => string,
): { preset: string; designs: Record<string, string>; entry: string | undefined } {
  if (typeof value === "string") return { preset: value, designs: {}, entry: undefined };
  const { preset = "linux-6.1", entry, ...designs } = stringRecord(value, "kernel");
  return { preset, designs, entry: entry === undefined ? undefined : beside(entry) };
}

const MOST_INJECTIONS = 1000;

function readInjections(value: unknown): Injection[] {
  const isInjection = (item: unknown): boolean => {
    const { at, event, count = 1 } = (item ?? {}) as Raw;
    return typeof at === "string" && typeof event === "string" && Number.isSafeInteger(count) && Number(count) >= 1;
  };
  const valid = Array.isArray(value) && value.length <= MOST_INJECTIONS && value.every(isInjection);
  return valid
    ? (value as Injection[])
    : fail("inject", `a list of { "at", "event", "count" }, ${MOST_INJECTIONS} at most`, value);
}
