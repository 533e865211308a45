/**
 * Files that the guest finds, from launch attributes: `root`, a folder as it is, and `files`, single ones by their path in the guest. A
 * source among these is assembled to an ELF executable, whose names and lines the debugger knows.
 */
import { fileNameOf } from "../../asmlang/core/uri.ts";
import { writeElfExecutable } from "../../asmlang/index.ts";
import type { AssembleOptions, Diagnostic } from "../../asmlang/types.ts";
import { ROOT_BYTES } from "../../emu/kernel/fs/root.ts";
import { isElf, isSourceName, loadProgram } from "../../emu/kernel/program.ts";
import type { Program } from "../../emu/kernel/types.ts";
import type { LaunchConfiguration } from "./configuration.ts";
import { errorSummary } from "./diagnostics.ts";
import type { FileSystem } from "./files.ts";
import { withIncludes } from "./includes.ts";
import { elfProgram, imageProgram, type ProgramNames } from "./program-names.ts";

export interface GuestFiles {
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** What is known of programs among them, by their files' bytes. */
  readonly programs: ReadonlyMap<Uint8Array, ProgramNames>;
  readonly warnings: readonly Diagnostic[];
}

interface Problem {
  readonly problem: string;
  readonly diagnostics?: readonly Diagnostic[];
}

export async function guestFiles(configuration: LaunchConfiguration, host: FileSystem): Promise<GuestFiles | Problem> {
  const { root, files: single } = configuration;
  const tree = root === undefined ? {} : await readRoot(host, root);
  if (typeof tree === "string") return { problem: `cannot read the root ${root}: ${tree}` };
  const files = new Map(Object.entries(tree));
  const programs = new Map<Uint8Array, ProgramNames>();
  const warnings: Diagnostic[] = [];
  for (const [path, uri] of Object.entries(single)) {
    const made = await guestFile(configuration, host, uri);
    if ("problem" in made) return { ...made, problem: `${path}: ${made.problem}` };
    files.set(path, made.bytes);
    if (made.program !== undefined) programs.set(made.bytes, made.program);
    warnings.push(...made.warnings);
  }
  const size = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  if (size > ROOT_BYTES) return { problem: `the guest's files hold more than ${ROOT_BYTES} bytes` };
  return { files: Object.fromEntries(files), programs, warnings };
}

const readRoot = async (host: FileSystem, root: string) =>
  (await host.readTree?.(root, ROOT_BYTES)) ?? "folders cannot be read here";

interface Made {
  readonly bytes: Uint8Array;
  readonly program?: ProgramNames;
  readonly warnings: readonly Diagnostic[];
}

/** A source's dialect is as its name or text says: what the launch says is of its program. */
async function guestFile({ bits }: LaunchConfiguration, host: FileSystem, uri: string): Promise<Made | Problem> {
  const bytes = await host.read(uri);
  if (bytes === undefined) return { problem: `cannot read ${uri}: no such file` };
  const source = isSourceName(fileNameOf(uri)) ? { uri, text: new TextDecoder().decode(bytes) } : undefined;
  return withIncludes(host, source, (include) => madeOf({ uri, bytes }, { bits, ...include }));
}

/** What the guest finds of a file that has been read. */
export function madeOf(
  { uri, bytes }: { readonly uri: string; readonly bytes: Uint8Array },
  options: Omit<AssembleOptions, "dialect">,
): Made | Problem {
  if (isElf(bytes)) return { bytes, program: elfProgram(bytes), warnings: [] };
  if (!isSourceName(fileNameOf(uri))) return { bytes, warnings: [] };
  const loaded = loadProgram({ uri, bytes }, { dialect: "auto", ...options });
  if (!loaded.ok)
    return { problem: loaded.problem ?? errorSummary(uri, loaded.diagnostics), diagnostics: loaded.diagnostics };
  const { image } = loaded.program as Extract<Program, { kind: "image" }>;
  return { bytes: writeElfExecutable(image), program: imageProgram(image), warnings: loaded.warnings };
}
