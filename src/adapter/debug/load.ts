/** From a launch configuration to a target: files read, source assembled, machine and kernel built. Problems come back as data. */

import { fileNameOf } from "../../asmlang/core/uri.ts";
import { assemble, writeFlatBinary } from "../../asmlang/index.ts";
import type { Diagnostic } from "../../asmlang/types.ts";
import { DEFAULTS } from "../../emu/cpu/memory.ts";
import { isElf } from "../../emu/kernel/program.ts";
import { createSystem, SystemError } from "../../emu/kernel/system.ts";
import { createBareMachine } from "../../emu/machine/bare.ts";
import type { LaunchConfiguration } from "./configuration.ts";
import { errorSummary } from "./diagnostics.ts";
import type { FileSystem } from "./files.ts";
import { guestFiles } from "./guest-files.ts";
import { assembleWithIncludes, loadProgramFrom } from "./includes.ts";
import { kernelAccess, triggerReader } from "./kernel-access.ts";
import { imageIndex, programNames } from "./program-names.ts";
import { bareSpaces, laterSpaces } from "./spaces.ts";
import { SymbolIndex } from "./symbols.ts";
import type { Target } from "./target.ts";

export type Loaded =
  | { readonly target: Target; readonly diagnostics: readonly Diagnostic[] }
  | { readonly target: undefined; readonly problem: string; readonly diagnostics: readonly Diagnostic[] };

const BARE_RAM = 64 << 20;
/** Where a boot sector is loaded, for sources that do not say. */
const BOOT_SECTOR = 0x7c00n;

export async function createTarget(configuration: LaunchConfiguration, files: FileSystem): Promise<Loaded> {
  const { program: uri } = configuration;
  const bytes = await files.read(uri);
  if (bytes === undefined) return problem(`cannot read ${uri}: no such file`);
  return configuration.arch === "bare"
    ? loadBare(configuration, files, bytes)
    : loadSystem(configuration, files, bytes);
}

const problem = (text: string, diagnostics: readonly Diagnostic[] = []): Loaded => ({
  target: undefined,
  problem: text,
  diagnostics,
});

async function loadSystem(configuration: LaunchConfiguration, files: FileSystem, bytes: Uint8Array): Promise<Loaded> {
  const { program: uri, dialect, bits, arch } = configuration;
  const loaded = await loadProgramFrom(files, uri, bytes, { dialect, bits });
  if (!loaded.ok) return problem(loaded.problem ?? errorSummary(uri, loaded.diagnostics), loaded.diagnostics);
  const entrySource = await readEntry(configuration, files);
  if (typeof entrySource === "string") return problem(entrySource);
  const inGuest = await guestFiles(configuration, files);
  if ("problem" in inGuest) return problem(inGuest.problem, inGuest.diagnostics);
  const programs = { first: programNames(loaded.program), others: inGuest.programs };
  const spacesOf = laterSpaces(() => programs);
  try {
    const system = createSystem({
      ...configuration,
      arch: arch === "i386" ? "i386" : "x86_64",
      program: loaded.program,
      stdin: new TextEncoder().encode(configuration.stdin),
      ramSize: DEFAULTS.ramSize,
      files: inGuest.files,
      readTrigger: triggerReader(spacesOf),
      ...(entrySource === undefined ? {} : { entrySource }),
    });
    const spaces = spacesOf(system.kernel);
    const texts = new Map(system.symbols.sources().map(({ uri, text }) => [uri, text]));
    const target: Target = {
      machine: system.machine,
      programName: loaded.program.name,
      run: (max, before) => system.run(max, before),
      kernel: kernelAccess(system.kernel, spaces.tasks),
      spaces,
      symbols: (cpu) => spaces.of(cpu).symbols,
      sourceText: (uri) => texts.get(uri),
    };
    return { target, diagnostics: [...loaded.warnings, ...inGuest.warnings] };
  } catch (error) {
    if (error instanceof SystemError) return problem(error.message, error.diagnostics);
    if (error instanceof RangeError) return problem(error.message);
    throw error;
  }
}

async function readEntry({ entry }: LaunchConfiguration, files: FileSystem) {
  if (entry === undefined) return undefined;
  const bytes = await files.read(entry);
  return bytes === undefined
    ? `cannot read the entry code ${entry}: no such file`
    : { uri: entry, text: new TextDecoder().decode(bytes) };
}

async function loadBare(configuration: LaunchConfiguration, files: FileSystem, bytes: Uint8Array): Promise<Loaded> {
  if (configuration.inject.length > 0) return problem("there is no kernel on a bare machine to inject events into");
  const made = await bareImage(configuration, files, bytes);
  if ("problem" in made) return problem(made.problem, made.diagnostics);
  const { cpu, seed } = configuration;
  try {
    const machine = createBareMachine({ load: "bootsector", image: made.bytes, cpus: 1, cpu, ramSize: BARE_RAM, seed });
    const programName = fileNameOf(configuration.program);
    const spaces = bareSpaces(programName, made.symbols);
    const target: Target = {
      machine,
      programName,
      run: (max, before) => machine.run(max, before),
      kernel: undefined,
      spaces,
      symbols: (cpu) => spaces.of(cpu).symbols,
      sourceText: () => undefined,
    };
    return { target, diagnostics: made.diagnostics };
  } catch (error) {
    if (error instanceof RangeError) return problem(error.message);
    throw error;
  }
}

type BareImage =
  | { readonly bytes: Uint8Array; readonly symbols: SymbolIndex; readonly diagnostics: readonly Diagnostic[] }
  | { readonly problem: string; readonly diagnostics: readonly Diagnostic[] };

/** A flat image as it is, or source assembled to one, with its symbols at the addresses it is loaded at. */
async function bareImage(
  { program: uri, dialect, bits }: LaunchConfiguration,
  files: FileSystem,
  bytes: Uint8Array,
): Promise<BareImage> {
  if (isElf(bytes))
    return {
      problem: `${fileNameOf(uri)} is an ELF file; a bare machine runs a flat image or source`,
      diagnostics: [],
    };
  if (!/\.(s|asm|nasm)$/i.test(uri)) return { bytes, symbols: new SymbolIndex([], () => []), diagnostics: [] };
  const result = await assembleWithIncludes(
    files,
    { uri, text: new TextDecoder().decode(bytes) },
    { dialect, bits, output: "flat" },
    assemble,
  );
  const flat = result.diagnostics.some(({ severity }) => severity === "error")
    ? undefined
    : writeFlatBinary(result, BOOT_SECTOR);
  const diagnostics = [...result.diagnostics, ...(flat?.diagnostics ?? [])];
  if (flat === undefined || flat.diagnostics.some(({ severity }) => severity === "error")) {
    return { problem: errorSummary(uri, diagnostics), diagnostics };
  }
  return { bytes: flat.bytes, symbols: imageIndex(flat.image), diagnostics };
}
