/** Programs by path: the one the system was started with, which need not be a file of the root, and ELF files of the root. */
import type { Kernel } from "../kernel.ts";
import type { Program } from "../types.ts";

/** A program's name may be that of a file on the host: in the guest it is at the top. */
export const absolute = (name: string): string => (name.startsWith("/") ? name : `/${name}`);

/** The program at an absolute path, undefined = no such file. */
export function programAt(k: Kernel, path: string): Program | undefined {
  const { program } = k.options;
  if (path === absolute(program.name)) return { ...program, name: path };
  const bytes = k.state.files[path];
  return bytes === undefined ? undefined : { kind: "elf", name: path, bytes };
}

/** Its bytes, where it is a file at all. */
export function programBytes(k: Kernel, path: string): Uint8Array | undefined {
  const program = programAt(k, absolute(path));
  return program?.kind === "elf" ? program.bytes : undefined;
}
