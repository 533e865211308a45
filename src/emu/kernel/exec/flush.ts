/** What a new program does not keep of the old one (fs/exec.c's begin_new_exec()): handlers, descriptors, registrations. */
import type { Cpu } from "../../cpu/cpu.ts";
import { SIG_DFL, SIG_IGN } from "../abi/signal.ts";
import { descriptorsClosed } from "../fs/file-operations.ts";
import type { Kernel } from "../kernel.ts";
import { flushDebug } from "../ptrace/debugreg.ts";
import { resetAltstack } from "../signal/altstack.ts";
import type { Process, Task } from "../state.ts";
import { credForExec } from "../task/cred.ts";

/** flush_signal_handlers(): ignored signals stay ignored, unless that goes too. */
export function flushSignalHandlers(process: Process, force: boolean): void {
  process.actions = process.actions.map((action) => {
    const keeps = !force && action.handler === BigInt(SIG_IGN);
    return { handler: BigInt(keeps ? SIG_IGN : SIG_DFL), flags: 0, restorer: 0n, mask: 0n };
  });
}

/** unshare_files() and do_close_on_exec(). */
function closeOnExec(k: Kernel, process: Process): void {
  const closing = Object.keys(process.closeOnExec).map(Number);
  const closed = closing.flatMap((fd) => process.files[fd] ?? []);
  process.files = { ...process.files };
  for (const fd of closing) delete process.files[fd];
  process.closeOnExec = {};
  descriptorsClosed(k, closed);
}

/** The task is alone in its process, and in its new address space. */
export function flushOldProgram(k: Kernel, cpu: Cpu, task: Task, name: string): void {
  const process = k.process(task);
  closeOnExec(k, process);
  flushSignalHandlers(process, false);
  process.comm = name;
  task.cred = credForExec(task.cred);
  resetAltstack(task);
  task.tls = [0n, 0n, 0n];
  task.clearChildTid = 0n;
  task.robustList = 0n;
  task.compatRobustList = 0n;
  delete task.rseq;
  delete task.restart;
  flushDebug(cpu, task);
}
