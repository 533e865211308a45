/** execve and execveat (fs/exec.c): the only thread left of a process begins another program. */
import { E } from "../abi/errno.ts";
import { AT_FD } from "../abi/file.ts";
import { PTRACE_EVENT } from "../abi/ptrace.ts";
import { SIG } from "../abi/signal.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { readStringDirect, readWordDirect } from "../mm/direct.ts";
import { ptraceEvent } from "../ptrace/stop.ts";
import { forceFatalSig, signalPending } from "../signal/send.ts";
import { type ExecPath, execPath } from "../syscall/paths.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "../syscall/types.ts";
import { releaseMm, threadsOf, zap } from "../task/exit.ts";
import { execProgram } from "./exec.ts";
import { type Executable, readExecutable } from "./executable.ts";
import { flushOldProgram } from "./flush.ts";
import { programAt } from "./program-file.ts";

/** MAX_ARG_STRLEN, and the share of the stack that all strings may take. */
const MAX_STRING = 131072;
const MAX_TOTAL = 2 * 2 ** 20;
const COMM_LENGTH = 15;

/** A list of strings that ends with a null pointer; no list at all is an empty one. */
function strings(c: SyscallContext, address: number): string[] | number {
  const list: string[] = [];
  let total = 0;
  for (let at = address; address !== 0; at += c.wordSize) {
    const pointer = readWordDirect(c.k, c.task, at, c.wordSize);
    if (pointer === undefined) return -E.EFAULT;
    if (pointer === 0n) break;
    const text = readStringDirect(c.k, c.task, Number(pointer), MAX_STRING);
    if (text === undefined) return -E.EFAULT;
    if (text === "toolong") return -E.E2BIG;
    total += text.length + 1 + c.wordSize;
    if (total > MAX_TOTAL) return -E.E2BIG;
    list.push(text);
  }
  return list;
}

/** The program at a path, or why it cannot be run. */
function findExecutable(c: SyscallContext, { path, filename }: ExecPath, argv: string[]): Executable | number {
  const program = programAt(c.k, path);
  if (program === undefined) return -E.ENOENT;
  const executable = readExecutable(c.k, program, { filename, argv, cwd: c.process.fs.cwd });
  return "problem" in executable ? -executable.errno : executable;
}

function execve(c: SyscallContext, asked: ExecPath | number, argv: number, envp: number): SyscallResult {
  const { k, task } = c;
  if (typeof asked === "number") return asked;
  const args = strings(c, argv);
  if (typeof args === "number") return args;
  const executable = findExecutable(c, asked, args.length === 0 ? [""] : args);
  if (typeof executable === "number") return executable;
  const env = strings(c, envp);
  if (typeof env === "number") return env;
  const alone = deThread(c);
  if (alone !== true) return alone;
  const oldPid = task.pid;
  takeLeadership(c);
  const old = k.mm(task);
  const origAx = c.regs.get("orig_ax");
  flushOldProgram(k, c.cpu, task, asked.filename.split("/").at(-1)!.slice(0, COMM_LENGTH));
  const problem = execProgram(k, c.cpu, task, executable, env);
  if (task.mm !== old.id) releaseMm(k, task, old);
  if (problem !== undefined) {
    // there is no way back
    forceFatalSig(k, c.cpu, task, SIG.SIGSEGV);
    return -E.ENOMEM;
  }
  // the 64-bit kernel has the number there that the new program would have called by
  const own = executable.loadable.bits === 32 ? "i386" : "x86_64";
  c.regs.set("orig_ax", k.arch.bits === 32 ? origAx : syscallNumber(own, "execve"));
  k.machine.events.emit("exec", c.cpu.index, { pid: task.pid, tid: oldPid, path: executable.name, args });
  return reportExec(c, oldPid);
}

function reportExec(c: SyscallContext, oldPid: number): SyscallResult {
  if (ptraceEvent(c.k, c.task, PTRACE_EVENT.EXEC, oldPid) !== "stopped") return 0;
  c.task.wait = { reason: "stop", event: PTRACE_EVENT.EXEC, pid: oldPid };
  return BLOCK;
}

/** de_thread(): the other threads end; true = there are none any more. */
function deThread(c: SyscallContext): true | SyscallResult {
  const others = threadsOf(c.k, c.task.tgid).filter((t) => t !== c.task);
  if (others.length === 0) {
    delete c.process.execTask;
    return true;
  }
  if (c.process.groupExit !== undefined) return -E.EAGAIN;
  if (c.process.execTask === undefined) {
    c.process.execTask = c.task.pid;
    for (const other of others) zap(c.k, other);
  } else if (c.process.execTask !== c.task.pid || signalPending(c.k, c.task)) return -E.EAGAIN;
  c.task.wait = { reason: "exec" };
  return BLOCK;
}

/** Another thread than the first takes the first one's pid over. */
function takeLeadership({ k, task }: SyscallContext): void {
  if (task.pid === task.tgid) return;
  const { current } = k.state;
  const cpu = current.indexOf(task.pid);
  k.timeline.ended(task.pid);
  task.pid = task.tgid;
  if (cpu >= 0) current[cpu] = task.pid;
}

/** The tracer has seen the new program, whose memory has no arguments of this call. */
const reported = (c: SyscallContext): SyscallResult | undefined =>
  c.task.wait?.event === PTRACE_EVENT.EXEC ? reportExec(c, c.task.wait.pid!) : undefined;

const call: Syscall = (c) => reported(c) ?? execve(c, execPath(c, 0, AT_FD.AT_FDCWD, 0), c.addr(1), c.addr(2));
const callAt: Syscall = (c) => {
  const done = reported(c);
  if (done !== undefined) return done;
  const flags = c.int(4);
  if ((flags & ~(AT_FD.AT_EMPTY_PATH | AT_FD.AT_SYMLINK_NOFOLLOW)) !== 0) return -E.EINVAL;
  return execve(c, execPath(c, 1, c.int(0), flags), c.addr(2), c.addr(3));
};
export const EXEC_CALLS: SyscallGroup = { execve: call, execveat: callAt };
