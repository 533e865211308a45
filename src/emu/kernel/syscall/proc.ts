/** The files of /proc that programs ask for about themselves. What one says is fixed when it is opened. */
import type { Addr } from "../../cpu/state.ts";
import { programBytes } from "../exec/program-file.ts";
import { inodeOf } from "../fs/inodes.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { readRemote } from "../mm/remote.ts";
import { isStopped } from "../ptrace/stop.ts";
import { type Mm, type Process, type Task, VM, type Vma } from "../state.ts";
import { VSYSCALL_ADDR } from "../trap/vsyscall.ts";
import { syscallArguments } from "./inspect.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const hex = (value: Addr, width = 8): string => BigInt.asUintN(64, BigInt(value)).toString(16).padStart(width, "0");
/** Where names begin in a line of maps. */
const NAME_COLUMN = 73;

/** show_map_vma(): addresses, rights, offset, device, inode, name. */
function mapLine(k: Kernel, { start, end, flags, name, offset }: Vma): string {
  const right = (flag: number, letter: string) => ((flags & flag) !== 0 ? letter : "-");
  const rights = `${right(VM.READ, "r")}${right(VM.WRITE, "w")}${right(VM.EXEC, "x")}${(flags & VM.SHARED) !== 0 ? "s" : "p"}`;
  const path = name === "" || name.startsWith("[") || name.startsWith("/") ? name : `/${name}`;
  const inode = offset === undefined ? 0 : inodeOf(k, path);
  const line = `${hex(start)}-${hex(end)} ${rights} ${hex(offset ?? 0)} 00:00 ${inode} `;
  return `${path === "" ? line : line.padEnd(NAME_COLUMN) + path}\n`;
}

/** The gate area. */
const GATE_VMA: Vma = { start: VSYSCALL_ADDR, end: VSYSCALL_ADDR + PAGE_SIZE, flags: VM.EXEC, name: "[vsyscall]" };

function maps(k: Kernel, mm: Mm): string {
  const own = mm.vmas.map((v) => mapLine(k, v)).join("");
  // 32-bit programs do not have it
  const gate = k.layout.wordSize === 8 && !mm.context.ia32;
  return gate ? own + mapLine(k, GATE_VMA) : own;
}

function cmdline(k: Kernel, task: Task, mm: Mm): Uint8Array {
  return readRemote(k, task, mm.argStart, Math.max(mm.envStart - mm.argStart, 0));
}

/** task_state_index_to_char() of what a task does. */
function stateLetter(task: Task): string {
  if (isStopped(task)) return task.stop!.state === "traced" ? "t" : "T";
  if (!task.asleep) return "R";
  const { notification, wait } = task;
  return notification?.killable === true || wait?.reason === "vfork" ? "D" : "S";
}

/** do_task_stat(): what is not counted or not told to others is 0. */
function stat(k: Kernel, { tgid, comm, ppid, pgrp, sid, exitSignal, zombie }: Process, task: Task | undefined): string {
  const mm = task === undefined ? undefined : k.mmOf(task);
  const threads = k.state.tasks.filter((t) => t.tgid === tgid && !t.dead).length;
  const size = mm?.vmas.reduce((sum, { start, end }) => sum + end - start, 0) ?? 0;
  const fields = Array<number | string>(52).fill(0);
  const set = (first: number, ...values: (number | string)[]) => fields.splice(first - 1, values.length, ...values);
  // numbers of proc(5)
  set(1, task?.pid ?? tgid, `(${comm})`, task === undefined ? "Z" : stateLetter(task), ppid, pgrp, sid, 0, -1);
  set(18, 20, 0, threads);
  set(23, size);
  set(25, "18446744073709551615", mm === undefined ? 0 : 1, mm === undefined ? 0 : 1);
  set(38, exitSignal, task?.cpu ?? 0);
  set(52, zombie ?? 0);
  return `${fields.join(" ")}\n`;
}

/** proc_pid_syscall(): "running", or the call that a task sleeps in with its arguments, stack pointer and instruction pointer. */
function syscallLine(k: Kernel, task: Task): string {
  if (!task.asleep) return "running\n";
  const regs = k.userRegs(task);
  const hex = (value: bigint) => `0x${value.toString(16)}`;
  const nr = regs.origAx;
  const call = nr < 0 ? [] : syscallArguments(k, task, regs).map(hex);
  return `${[nr, ...call, hex(regs.sp), hex(regs.ip)].join(" ")}\n`;
}

/** The contents of a file of /proc/PID, by its name there; undefined = there is none. */
export function procFile(k: Kernel, task: Task, path: string): Uint8Array | undefined {
  const match = /^\/proc\/(self|thread-self|\d+)\/(\w+)$/.exec(path);
  if (match === null) return undefined;
  const [, who, name] = match;
  const pid = /^\d/.test(who!) ? Number(who) : task.pid;
  const target = k.state.tasks.find((t) => t.pid === pid && !t.idle && !t.dead);
  const process = k.state.processes.find((p) => p.tgid === (target?.tgid ?? pid) && p.tgid > 0);
  if (name === "stat" && process !== undefined) return text(stat(k, process, target));
  const mm = target === undefined ? undefined : k.mmOf(target);
  if (target === undefined || mm === undefined) return undefined;
  if (name === "syscall") return text(syscallLine(k, target));
  if (name === "maps") return text(maps(k, mm));
  if (name === "comm") return text(`${k.process(target).comm}\n`);
  if (name === "cmdline") return cmdline(k, target, mm);
  return name === "exe" ? programBytes(k, mm.exe) : undefined;
}
