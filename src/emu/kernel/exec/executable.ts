/**
 * What execve begins: a program with the interpreter that its PT_INTERP names (fs/binfmt_elf.c), behind as many `#!` lines as lead to it
 * (fs/binfmt_script.c). Everything that can be refused is refused here, before anything of the old program is gone.
 */
import { E } from "../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import { normalize } from "../syscall/paths.ts";
import type { Program } from "../types.ts";
import { type Loadable, readProgram } from "./elf.ts";
import { programAt } from "./program-file.ts";

export interface Interpreter {
  readonly path: string;
  readonly loadable: Loadable;
}

export interface Executable {
  /** Its path, as mm.exe will have it. */
  readonly name: string;
  /** What was asked for: another path than `name` for a script. */
  readonly filename: string;
  readonly loadable: Loadable;
  readonly interpreter: Interpreter | undefined;
  /** argv: what was given, with the words of a script's first line in the place of argv[0]. */
  readonly args: readonly string[];
}

/** Why something cannot be run: an error number, and one sentence for whoever started the machine with it. */
export interface Refusal {
  readonly errno: number;
  readonly problem: string;
}

/** BINPRM_BUF_SIZE: a script's first line is looked for here; and exec_binprm()'s limit of scripts run by scripts. */
const HEAD_SIZE = 256;
const MAX_SCRIPTS = 5;

const refuse = (errno: number, problem: string): Refusal => ({ errno, problem });

/** What was asked for. */
export interface Request {
  /** The path as it was given. */
  readonly filename: string;
  readonly argv: readonly string[];
  /** Where relative names of interpreters are looked for. */
  readonly cwd: string;
}

export function readExecutable(k: Kernel, program: Program, { filename, argv, cwd }: Request): Executable | Refusal {
  let found = program;
  let called = filename;
  let args = argv;
  for (let depth = 0; ; depth++) {
    const line = scriptLine(found);
    if (line === undefined) {
      const binary = readBinary(k, found);
      return "problem" in binary ? binary : { ...binary, name: found.name, filename, args };
    }
    if (line[0] === undefined) return refuse(E.ENOEXEC, `${found.name} is a script without an interpreter's name`);
    if (depth === MAX_SCRIPTS) return refuse(E.ELOOP, `${program.name} is a script of a script, too many times over`);
    const interpreter = line[0];
    const next = programAt(k, normalize(interpreter.startsWith("/") ? interpreter : `${cwd}/${interpreter}`));
    if (next === undefined)
      return refuse(E.ENOENT, `${found.name} is a script for ${interpreter}, which is not in the root`);
    args = [...line, called, ...args.slice(1)];
    called = interpreter;
    found = next;
  }
}

/** The interpreter's path of a `#!` line and the one argument that may follow; undefined = no script. */
function scriptLine(program: Program): string[] | undefined {
  if (program.kind !== "elf" || program.bytes[0] !== 0x23 || program.bytes[1] !== 0x21) return undefined;
  const head = new TextDecoder().decode(program.bytes.subarray(2, HEAD_SIZE));
  const [, path = "", argument = ""] = /^[ \t]*([^ \t\n\0]*)[ \t]*([^\n\0]*?)[ \t]*(?:[\n\0]|$)/.exec(head) ?? [];
  return [path, argument].filter((text) => text !== "");
}

function readBinary(k: Kernel, program: Program): Pick<Executable, "loadable" | "interpreter"> | Refusal {
  const { name } = program;
  const loadable = readProgram(program);
  if (typeof loadable === "string") return refuse(E.ENOEXEC, `${name} is ${loadable}`);
  if (loadable.bits > k.arch.bits)
    return refuse(E.ENOEXEC, `${name} is a 64-bit program; the i386 kernel cannot run it`);
  if (loadable.interpreter === undefined) return { loadable, interpreter: undefined };
  const interpreter = readInterpreter(k, loadable.interpreter, loadable.bits);
  if ("problem" in interpreter)
    return refuse(interpreter.errno, `${name} needs the dynamic linker ${interpreter.problem}`);
  return { loadable, interpreter };
}

function readInterpreter(k: Kernel, path: string, bits: 32 | 64): Interpreter | Refusal {
  const file = programAt(k, path);
  if (file === undefined)
    return refuse(E.ENOENT, `${path}; link it statically, or give a root (--root DIR) that has it and the libraries`);
  const loadable = readProgram(file);
  if (typeof loadable === "string") return refuse(E.ELIBBAD, `${path}, which is ${loadable}`);
  if (loadable.bits !== bits) return refuse(E.ELIBBAD, `${path}, which is a ${loadable.bits}-bit program`);
  return { path, loadable };
}
