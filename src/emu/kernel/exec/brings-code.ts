/** Events behind which a process has code that was not there: execve, and a file that is mapped to be run. */
import type { MachineEvent } from "../../machine/types.ts";
import { MAP, PROT } from "../abi/mman.ts";

export function bringsCode({ type, name, args }: MachineEvent): boolean {
  if (type !== "syscall" || (name !== "mmap" && name !== "mmap2")) return type === "exec";
  const [, , prot = 0, flags = 0] = (args as readonly string[]).map(Number);
  return (prot & PROT.PROT_EXEC) !== 0 && (flags & MAP.MAP_ANONYMOUS) === 0;
}
