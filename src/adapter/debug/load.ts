/** From a launch configuration to a target: files read, source assembled, machine and kernel built. Problems come back as data. */

import { fileNameOf } from "../../asmlang/core/uri.ts";
import { assemble, writeFlatBinary } from "../../asmlang/index.ts";
import type { Diagnostic, Image } from "../../asmlang/types.ts";
import { bigToAddr } from "../../emu/cpu/state.ts";
import { isElf } from "../../emu/kernel/program.ts";
import { createSystem, SystemError } from "../../emu/kernel/system.ts";
import type { Program } from "../../emu/kernel/types.ts";
import { createBareMachine } from "../../emu/machine/bare.ts";
import type { LaunchConfiguration } from "./configuration.ts";
import { elfNames } from "./elf-symbols.ts";
import type { FileSystem } from "./files.ts";
import { assembleWithIncludes, loadProgramFrom } from "./includes.ts";
import { kernelAccess, kernelSymbols, type ProgramNames, triggerReader } from "./kernel-access.ts";
import { imageNames, lineSpans, SymbolIndex } from "./symbols.ts";
import type { Target } from "./target.ts";
import { EhFrame } from "./unwind/eh-frame.ts";

export type Loaded =
  | { readonly target: Target; readonly diagnostics: readonly Diagnostic[] }
  | { readonly target: undefined; readonly problem: string; readonly diagnostics: readonly Diagnostic[] };

const RAM = 256 << 20;
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

/** "hello.asm has 2 errors: 3:5: unknown mnemonic ..." */
function errorSummary(uri: string, diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const first = errors[0]!;
  const count = errors.length === 1 ? "an error" : `${errors.length} errors`;
  return `${fileNameOf(uri)} has ${count}: ${first.range.line + 1}:${first.range.column + 1}: ${first.message}`;
}

async function loadSystem(configuration: LaunchConfiguration, files: FileSystem, bytes: Uint8Array): Promise<Loaded> {
  const { program: uri, dialect, bits, arch } = configuration;
  const loaded = await loadProgramFrom(files, uri, bytes, { dialect, bits });
  if (!loaded.ok) return problem(loaded.problem ?? errorSummary(uri, loaded.diagnostics), loaded.diagnostics);
  const entrySource = await readEntry(configuration, files);
  if (typeof entrySource === "string") return problem(entrySource);
  try {
    const system = createSystem({
      ...configuration,
      arch: arch === "i386" ? "i386" : "x86_64",
      program: loaded.program,
      stdin: new TextEncoder().encode(configuration.stdin),
      ramSize: RAM,
      files: {},
      readTrigger: triggerReader(loaded.program),
      ...(entrySource === undefined ? {} : { entrySource }),
    });
    const target: Target = {
      machine: system.machine,
      programName: loaded.program.name,
      run: (max, before) => system.run(max, before),
      kernel: kernelAccess(system.kernel),
      ehFrame: ehFrameOf(loaded.program),
      ...kernelSymbols(system, programSymbols(loaded.program)),
    };
    return { target, diagnostics: loaded.warnings };
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

/** Of one that goes where it is put, it is found by its headers there. */
function ehFrameOf(program: Program): EhFrame | undefined {
  if (program.kind === "elf") {
    const { ehFrame, relocatable } = elfNames(program.bytes);
    return ehFrame === undefined || relocatable ? undefined : new EhFrame(ehFrame);
  }
  const found = program.image.segments.find(({ section }) => section === ".eh_frame");
  return found && new EhFrame(bigToAddr(found.address));
}

const programSymbols = (program: Program): ProgramNames =>
  program.kind === "image" ? imageSymbols(program.image) : { ...elfNames(program.bytes), spans: [] };

const imageSymbols = (image: Pick<Image, "symbols" | "symbolTable" | "segments" | "lines">) => ({
  symbols: imageNames(image, bigToAddr),
  spans: lineSpans(image, 0),
});

async function loadBare(configuration: LaunchConfiguration, files: FileSystem, bytes: Uint8Array): Promise<Loaded> {
  if (configuration.inject.length > 0) return problem("there is no kernel on a bare machine to inject events into");
  const made = await bareImage(configuration, files, bytes);
  if ("problem" in made) return problem(made.problem, made.diagnostics);
  const { cpu, seed } = configuration;
  try {
    const machine = createBareMachine({ load: "bootsector", image: made.bytes, cpus: 1, cpu, ramSize: BARE_RAM, seed });
    const target: Target = {
      machine,
      programName: fileNameOf(configuration.program),
      run: (max, before) => machine.run(max, before),
      kernel: undefined,
      symbols: made.symbols,
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
  if (!/\.(s|asm|nasm)$/i.test(uri)) return { bytes, symbols: new SymbolIndex([], []), diagnostics: [] };
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
  const { symbols, spans } = imageSymbols(flat.image);
  return { bytes: flat.bytes, symbols: new SymbolIndex(symbols, spans), diagnostics };
}
