/** `ringside run`: boot a machine around a program, run it to its end, and leave with its exit status. */

import { isGuestPath } from "../adapter/debug/configuration.ts";
import { type GuestFiles, madeOf } from "../adapter/debug/guest-files.ts";
import { triggerReader } from "../adapter/debug/kernel-access.ts";
import { type ProgramNames, programNames } from "../adapter/debug/program-names.ts";
import { laterSpaces } from "../adapter/debug/spaces.ts";
import { assemble, writeFlatBinary } from "../asmlang/index.ts";
import { DEFAULTS } from "../emu/cpu/memory.ts";
import { isElf, loadProgram } from "../emu/kernel/program.ts";
import { createSystem, SystemError } from "../emu/kernel/system.ts";
import type { Injection, SystemOptions } from "../emu/kernel/types.ts";
import { createBareMachine } from "../emu/machine/bare.ts";
import type { Machine } from "../emu/machine/machine.ts";
import type { StopReason } from "../emu/machine/types.ts";
import { report } from "./asm.ts";
import { includeBytes, includeText, readFile, readStdin, uriOf } from "./files.ts";
import { readTree } from "./host-files.ts";
import {
  bitsOption,
  choice,
  cpuOption,
  dialectOption,
  flag,
  number,
  type Parsed,
  pairs,
  parse,
  text,
  texts,
} from "./options.ts";
import { Tracer } from "./trace.ts";
import { UsageError } from "./usage.ts";

export const RUN_OPTIONS = {
  arch: { type: "string" },
  bits: { type: "string" },
  dialect: { type: "string" },
  cpu: { type: "string" },
  model: { type: "string" },
  quirk: { type: "string", multiple: true },
  cpus: { type: "string" },
  kernel: { type: "string" },
  design: { type: "string", multiple: true },
  entry: { type: "string" },
  "max-instructions": { type: "string" },
  seed: { type: "string" },
  env: { type: "string", multiple: true },
  root: { type: "string" },
  file: { type: "string", multiple: true },
  inject: { type: "string", multiple: true },
  trace: { type: "string" },
  stats: { type: "boolean" },
  history: { type: "boolean" },
  memory: { type: "string" },
  load: { type: "string" },
  "post-port": { type: "string" },
} as const;

const TIMED_OUT = 124;
/** Instructions between looks at the host (signals, output). */
const SLICE = 50_000_000;
const MEBIBYTE = 1 << 20;
/** Where a boot sector is loaded, for sources that do not say. */
const BOOT_SECTOR = 0x7c00n;

export function run(args: readonly string[]): number {
  const end = args.indexOf("--");
  const parsed = parse(end < 0 ? args : args.slice(0, end), RUN_OPTIONS);
  const guestArgs = end < 0 ? [] : args.slice(end + 1);
  const [name, ...rest] = parsed.positionals;
  if (name === undefined) throw new UsageError("run takes a PROGRAM");
  if (rest.length > 0) throw new UsageError(`run takes one PROGRAM; the guest's own arguments go after "--"`);
  if (flag(parsed, "history")) complain("this run keeps no history: only the debugger does yet (--history)", 0);
  const arch = choice(parsed, "arch", ["x86_64", "i386", "bare"] as const, "x86_64");
  const booted = arch === "bare" ? bootBare(parsed, name) : bootKernel(parsed, name, arch, guestArgs);
  return booted === undefined ? 1 : runToEnd(booted, parsed);
}

interface Booted {
  readonly machine: Machine;
  run(max: number): StopReason;
}

function bootKernel(
  parsed: Parsed,
  name: string,
  arch: "x86_64" | "i386",
  args: readonly string[],
): Booted | undefined {
  const options = systemOptions(parsed, arch);
  const loaded = loadProgram(
    { uri: uriOf(name), bytes: readFile(name) },
    {
      dialect: dialectOption(parsed),
      bits: bitsOption(parsed),
      include: includeText([]),
      includeBytes: includeBytes([]),
    },
  );
  if (!loaded.ok) {
    if (loaded.problem !== undefined) throw new UsageError(loaded.problem);
    report(loaded.diagnostics);
    return undefined;
  }
  report(loaded.warnings);
  const made = madeFiles(parsed);
  if (made === undefined) return undefined;
  const program = { ...loaded.program, name };
  const spacesOf = laterSpaces(() => ({ first: programNames(program), others: made.programs }));
  const files = { ...options.files, ...made.files };
  return createOrExplain(() =>
    createSystem({ ...options, files, program, args, readTrigger: triggerReader(spacesOf) }),
  );
}

/** Single files of the guest; a source among them is assembled. undefined: one has errors, which have been told. */
function madeFiles(parsed: Parsed): Pick<GuestFiles, "files" | "programs"> | undefined {
  const files: Record<string, Uint8Array> = {};
  const programs = new Map<Uint8Array, ProgramNames>();
  for (const [guest, name] of Object.entries(pairs(parsed, "file"))) {
    if (!isGuestPath(guest)) throw new UsageError(`--file takes a path of the guest (/bin/child=PATH), not "${guest}"`);
    const source = { uri: uriOf(name), bytes: readFile(name) };
    const made = madeOf(source, { bits: bitsOption(parsed), include: includeText([]), includeBytes: includeBytes([]) });
    if ("problem" in made) {
      if (made.diagnostics === undefined) throw new UsageError(`--file ${guest}: ${made.problem}`);
      report(made.diagnostics);
      return undefined;
    }
    report(made.warnings);
    files[guest] = made.bytes;
    if (made.program !== undefined) programs.set(made.bytes, made.program);
  }
  return { files, programs };
}

export function systemOptions(parsed: Parsed, arch: "x86_64" | "i386"): Omit<SystemOptions, "program" | "args"> {
  const entry = text(parsed, "entry");
  const root = text(parsed, "root");
  return {
    arch,
    cpu: cpuOption(parsed),
    cpus: number(parsed, "cpus", DEFAULTS.cpus, 1, 8),
    preset: text(parsed, "kernel") ?? "linux-6.1",
    designs: pairs(parsed, "design"),
    ...(entry === undefined
      ? {}
      : { entrySource: { uri: uriOf(entry), text: new TextDecoder().decode(readFile(entry)) } }),
    env: pairs(parsed, "env"),
    stdin: readStdin(),
    seed: number(parsed, "seed", 1, 0, 0xffff_ffff),
    ramSize: number(parsed, "memory", DEFAULTS.ramSize / MEBIBYTE, 16, 1024) * MEBIBYTE,
    files: root === undefined ? {} : readTree(root),
    inject: texts(parsed, "inject").map(injection),
  };
}

function injection(spec: string): Injection {
  const [, event, times, at] = /^([^@*]+)(?:\*([1-9]\d*))?@(.+)$/s.exec(spec) ?? [];
  if (event === undefined || at === undefined)
    throw new UsageError(`--inject takes EVENT@PLACE or EVENT*TIMES@PLACE, not "${spec}"`);
  return { event, at, ...(times === undefined ? {} : { count: Number(times) }) };
}

/** The core complains about unusable options and programs in one line; entry code with errors has its diagnostics. */
function createOrExplain<T>(create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (error instanceof SystemError) report(error.diagnostics);
    if (error instanceof SystemError || error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

function bootBare(parsed: Parsed, name: string): Booted | undefined {
  const image = bareImage(parsed, name);
  if (image === undefined) return undefined;
  const postPort =
    text(parsed, "post-port") === undefined ? {} : { postPort: number(parsed, "post-port", 0, 0, 0xffff) };
  const machine = createOrExplain(() =>
    createBareMachine({
      load: choice(parsed, "load", ["bootsector", "rom"] as const, "bootsector"),
      image,
      cpus: 1,
      cpu: cpuOption(parsed),
      ramSize: number(parsed, "memory", 64, 2, 1024) * MEBIBYTE,
      seed: number(parsed, "seed", 1, 0, 0xffff_ffff),
      ...postPort,
    }),
  );
  return { machine, run: (max) => machine.run(max) };
}

/** A flat image as it is; source is assembled to one (16-bit unless it says otherwise). */
function bareImage(parsed: Parsed, name: string): Uint8Array | undefined {
  const bytes = readFile(name);
  if (isElf(bytes)) throw new UsageError(`${name} is an ELF file; --arch bare runs a flat image or source`);
  if (!/\.(s|S|asm|nasm)$/.test(name) && text(parsed, "dialect") === undefined) return bytes;
  const bits = text(parsed, "bits") === undefined ? 16 : bitsOption(parsed);
  const result = assemble(
    { uri: uriOf(name), text: new TextDecoder().decode(bytes) },
    { dialect: dialectOption(parsed), bits, output: "flat", include: includeText([]), includeBytes: includeBytes([]) },
  );
  if (report(result.diagnostics)) return undefined;
  const flat = writeFlatBinary(result, BOOT_SECTOR);
  return report(flat.diagnostics) ? undefined : flat.bytes;
}

function runToEnd(booted: Booted, parsed: Parsed): number {
  const limit = number(parsed, "max-instructions", Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER);
  const tracer = new Tracer(booted.machine, text(parsed, "trace"));
  const started = process.hrtime.bigint();
  const reason = runSlices(booted, limit, () => tracer.flushGuest());
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  tracer.close();
  const status = exitStatus(reason, limit);
  const epitaph = reason.kind === "exit" ? tracer.epitaph() : undefined;
  if (epitaph !== undefined) complain(epitaph, status);
  if (flag(parsed, "stats")) process.stderr.write(`${JSON.stringify(tracer.stats(seconds))}\n`);
  return status;
}

function runSlices(booted: Booted, limit: number, between: () => void): StopReason {
  const { machine } = booted;
  for (;;) {
    const reason = booted.run(Math.min(SLICE, limit - machine.icount));
    between();
    if (reason.kind !== "budget" || machine.icount >= limit) return reason;
  }
}

function exitStatus(reason: StopReason, limit: number): number {
  if (reason.kind === "exit") return reason.signal === undefined ? reason.status : 128 + reason.signal;
  if (reason.kind === "budget") return complain(`stopped after ${limit} instructions (--max-instructions)`, TIMED_OUT);
  if (reason.kind === "shutdown") return complain(`the processor shut down: ${reason.why}`, 1);
  if (reason.kind === "halt") return 0;
  return complain(`stopped: ${reason.kind}`, 1);
}

function complain(message: string, status: number): number {
  process.stderr.write(`ringside: ${message}\n`);
  return status;
}
