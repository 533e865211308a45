/** PTRACE_GET_SYSCALL_INFO: what kind of stop this is, and the call's number and arguments or its result. */
import { E } from "../abi/errno.ts";
import {
  AUDIT_ARCH,
  EVENTMSG,
  SYSCALL_INFO,
  SYSCALL_INFO_ENTRY,
  SYSCALL_INFO_EXIT,
  SYSCALL_INFO_EXIT_SIZE,
  SYSCALL_INFO_HEAD,
  SYSGOOD,
} from "../abi/ptrace.ts";
import { SIG } from "../abi/signal.ts";
import { copyToUser } from "../mm/uaccess.ts";
import { syscallError } from "../signal/deliver.ts";
import type { Task } from "../state.ts";
import type { SyscallContext } from "../syscall/types.ts";

/** How many bytes there are, of which at most `size` are written. */
export function getSyscallInfo(c: SyscallContext, task: Task, size: number, address: number): number {
  const bytes = describe(c, task);
  return copyToUser(c.k, c.task, address, bytes.subarray(0, Math.min(size, bytes.length))) ? bytes.length : -E.EFAULT;
}

function describe(c: SyscallContext, task: Task): Uint8Array {
  const { k } = c;
  const regs = k.userRegs(task);
  const ia32 = k.inIa32Syscall(task);
  const head = { arch: ia32 ? AUDIT_ARCH.I386 : AUDIT_ARCH.X86_64, ip: regs.ip, sp: regs.sp };
  const { stop } = task;
  const isSyscall = stop?.info?.code === (SIG.SIGTRAP | SYSGOOD);
  if (isSyscall && stop?.message === EVENTMSG.SYSCALL_ENTRY) {
    const table = ia32 ? (k.arch.compat ?? k.arch.native) : k.arch.native;
    const mask = table.compat ? 0xffff_ffffn : -1n;
    const nr = BigInt.asUintN(64, BigInt(regs.origAx));
    const view = SYSCALL_INFO_ENTRY.make({ ...head, op: SYSCALL_INFO.ENTRY, nr });
    const args = view.region("args");
    const data = new DataView(args.buffer, args.byteOffset, args.length);
    table.arguments.forEach((name, i) => {
      data.setBigUint64(i * 8, BigInt.asUintN(64, regs.get(name) & mask), true);
    });
    return view.bytes;
  }
  if (isSyscall && stop?.message === EVENTMSG.SYSCALL_EXIT) {
    const error = syscallError(k, task, regs);
    const rval = error === 0 ? BigInt.asIntN(k.layout.wordSize * 8, regs.ax) : BigInt(error);
    const view = SYSCALL_INFO_EXIT.make({ ...head, op: SYSCALL_INFO.EXIT, rval, is_error: error === 0 ? 0 : 1 });
    return view.bytes.subarray(0, SYSCALL_INFO_EXIT_SIZE);
  }
  return SYSCALL_INFO_HEAD.make({ ...head, op: SYSCALL_INFO.NONE }).bytes;
}
