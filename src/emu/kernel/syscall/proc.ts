/** The files of /proc that programs ask for about themselves. What one says is fixed when it is opened. */
import type { Addr } from "../../cpu/state.ts";
import { programBytes } from "../exec/program-file.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { readRemote } from "../mm/remote.ts";
import { type Mm, type Task, VM } from "../state.ts";
import { VSYSCALL_ADDR } from "../trap/vsyscall.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const hex = (value: Addr, width = 8): string => BigInt.asUintN(64, BigInt(value)).toString(16).padStart(width, "0");
/** Where names begin in a line of maps. */
const NAME_COLUMN = 73;

/** show_map_vma(): addresses, rights, offset, device, inode, name. */
function mapLine(start: Addr, end: Addr, flags: number, name: string): string {
  const right = (flag: number, letter: string) => ((flags & flag) !== 0 ? letter : "-");
  const rights = `${right(VM.READ, "r")}${right(VM.WRITE, "w")}${right(VM.EXEC, "x")}${(flags & VM.SHARED) !== 0 ? "s" : "p"}`;
  const line = `${hex(start)}-${hex(end)} ${rights} 00000000 00:00 0 `;
  return `${name === "" ? line : line.padEnd(NAME_COLUMN) + (name.startsWith("[") || name.startsWith("/") ? name : `/${name}`)}\n`;
}

function maps(k: Kernel, mm: Mm): string {
  const own = mm.vmas.map((v) => mapLine(v.start, v.end, v.flags, v.name)).join("");
  // the gate area, which 32-bit programs do not have
  const gate = k.layout.wordSize === 8 && !mm.context.ia32;
  return gate ? own + mapLine(VSYSCALL_ADDR, VSYSCALL_ADDR + PAGE_SIZE, VM.EXEC, "[vsyscall]") : own;
}

function cmdline(k: Kernel, task: Task, mm: Mm): Uint8Array {
  return readRemote(k, task, mm.argStart, Math.max(mm.envStart - mm.argStart, 0));
}

/** The contents of a file of /proc/PID, by its name there; undefined = there is none. */
export function procFile(k: Kernel, task: Task, path: string): Uint8Array | undefined {
  const match = /^\/proc\/(self|thread-self|\d+)\/(\w+)$/.exec(path);
  if (match === null) return undefined;
  const [, who, name] = match;
  const target = /^\d/.test(who!) ? k.state.tasks.find((t) => t.pid === Number(who) && !t.idle && !t.dead) : task;
  const mm = target === undefined ? undefined : k.mmOf(target);
  if (target === undefined || mm === undefined) return undefined;
  if (name === "maps") return text(maps(k, mm));
  if (name === "comm") return text(`${k.process(target).comm}\n`);
  if (name === "cmdline") return cmdline(k, target, mm);
  return name === "exe" ? programBytes(k, mm.exe) : undefined;
}
