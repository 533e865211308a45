/** PTRACE_GET_SYSCALL_INFO: what kind of stop this is, and the call's number and arguments or its result. */
import { E } from "../abi/errno.ts";
import {
  EVENTMSG,
  PTRACE_EVENT,
  SYSCALL_INFO,
  SYSCALL_INFO_ENTRY,
  SYSCALL_INFO_EXIT,
  SYSCALL_INFO_EXIT_SIZE,
  SYSCALL_INFO_HEAD,
  SYSCALL_INFO_SECCOMP,
  SYSCALL_INFO_SECCOMP_SIZE,
  SYSGOOD,
} from "../abi/ptrace.ts";
import { SIG } from "../abi/signal.ts";
import { copyToUser } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import { syscallError } from "../signal/deliver.ts";
import type { Task } from "../state.ts";
import { syscallArch, syscallArguments } from "../syscall/inspect.ts";
import type { SyscallContext } from "../syscall/types.ts";

/** How many bytes there are, of which at most `size` are written. */
export function getSyscallInfo(c: SyscallContext, task: Task, size: number, address: number): number {
  const bytes = describe(c, task);
  return copyToUser(c.k, c.task, address, bytes.subarray(0, Math.min(size, bytes.length))) ? bytes.length : -E.EFAULT;
}

function describe(c: SyscallContext, task: Task): Uint8Array {
  const { k } = c;
  const regs = k.userRegs(task);
  const head = { arch: syscallArch(k, task), ip: regs.ip, sp: regs.sp };
  const { stop } = task;
  const isSyscall = stop?.info?.code === (SIG.SIGTRAP | SYSGOOD);
  if (isSyscall && stop?.message === EVENTMSG.SYSCALL_ENTRY) {
    const view = SYSCALL_INFO_ENTRY.make({ ...head, op: SYSCALL_INFO.ENTRY, nr: numberOf(regs) });
    putArguments(view.region("args"), syscallArguments(k, task, regs));
    return view.bytes;
  }
  if (stop?.info?.code === (SIG.SIGTRAP | (PTRACE_EVENT.SECCOMP << 8))) {
    const view = SYSCALL_INFO_SECCOMP.make({ ...head, op: SYSCALL_INFO.SECCOMP, nr: numberOf(regs) });
    putArguments(view.region("args"), syscallArguments(k, task, regs));
    view.set("ret_data", Number(stop.message));
    return view.bytes.subarray(0, SYSCALL_INFO_SECCOMP_SIZE);
  }
  if (isSyscall && stop?.message === EVENTMSG.SYSCALL_EXIT) {
    const error = syscallError(k, task, regs);
    const rval = error === 0 ? BigInt.asIntN(k.layout.wordSize * 8, regs.ax) : BigInt(error);
    const view = SYSCALL_INFO_EXIT.make({ ...head, op: SYSCALL_INFO.EXIT, rval, is_error: error === 0 ? 0 : 1 });
    return view.bytes.subarray(0, SYSCALL_INFO_EXIT_SIZE);
  }
  return SYSCALL_INFO_HEAD.make({ ...head, op: SYSCALL_INFO.NONE }).bytes;
}

const numberOf = (regs: PtRegs): bigint => BigInt.asUintN(64, BigInt(regs.origAx));
function putArguments(bytes: Uint8Array, values: readonly bigint[]): void {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const [i, value] of values.entries()) data.setBigUint64(i * 8, value, true);
}
