/**
 * Restartable sequences (kernel/rseq.c): a thread's own structure says where it is in a critical section; a task switch, a signal or another
 * CPU ends the section, and the thread goes on at its abort handler. Done by TIF_NOTIFY_RESUME on the way to user mode, by user copies.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { E } from "../abi/errno.ts";
import { s32, struct, u32, u64 } from "../abi/struct.ts";
import type { Kernel } from "../kernel.ts";
import { getStruct, getWord, putStruct, putWord } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import { forceSigsegv } from "../signal/send.ts";
import type { Task } from "../state.ts";
import type { Syscall } from "../syscall/types.ts";

/** struct rseq as of 6.1, 32 bytes with its padding, and struct rseq_cs. */
const RSEQ_SIZE = 32;
const OFFSET = { rseq_cs: 8, flags: 16 } as const;
const CPU_IDS = struct({ cpu_id_start: u32, cpu_id: s32 });
const CS = struct({ version: u32, flags: u32, start_ip: u64, post_commit_offset: u64, abort_ip: u64 });
const UNINITIALIZED = -1;
const FLAG_UNREGISTER = 1;

/** rseq_preempt(), rseq_migrate() and the like: a critical section that the task is in is over. */
export function rseqEvent(k: Kernel, task: Task): void {
  if (task.rseq === undefined) return;
  task.rseq.event = true;
  k.setFlag(task, "NOTIFY_RESUME");
}

type Regs = NonNullable<Task["rseq"]>;

/** rseq_get_rseq_cs(): undefined = none; or an error. */
function criticalSection(k: Kernel, task: Task, rseq: Regs) {
  const pointer = getWord(k, task, Number(rseq.address) + OFFSET.rseq_cs, 8);
  if (pointer === undefined) return -E.EFAULT;
  if (pointer === 0n) return undefined;
  const end = BigInt(k.mm(task).taskSize);
  if (pointer >= end) return -E.EINVAL;
  const view = getStruct(k, task, Number(pointer), CS);
  if (view === undefined) return -E.EFAULT;
  const [start, length, abort] = [view.big("start_ip"), view.big("post_commit_offset"), view.big("abort_ip")];
  if (view.get("version") > 0 || start >= end || start + length >= end || abort >= end) return -E.EINVAL;
  // an abort handler inside would be aborted again
  if (abort >= start && abort - start < length) return -E.EINVAL;
  const signature = getWord(k, task, Number(abort) - 4, 4);
  if (signature === undefined) return -E.EFAULT;
  if (Number(signature) !== rseq.signature) {
    k.printk(k.machine.currentCpu, "Possible attack attempt. Unexpected rseq signature");
    return -E.EINVAL;
  }
  return { start, length, abort, flags: view.get("flags") };
}

/** rseq_ip_fixup(): 0, or why the program must not go on. */
function ipFixup(k: Kernel, task: Task, rseq: Regs, regs: PtRegs): number {
  const section = criticalSection(k, task, rseq);
  if (typeof section === "number") return section;
  const inside = section !== undefined && regs.ip >= section.start && regs.ip - section.start < section.length;
  if (inside) {
    const flags = getWord(k, task, Number(rseq.address) + OFFSET.flags, 4);
    if (flags === undefined) return -E.EFAULT;
    // there were flags not to restart; nobody may use them any more
    if (section.flags !== 0 || flags !== 0n) return -E.EINVAL;
    if (rseq.event !== true) return 0;
  }
  if (!putWord(k, task, Number(rseq.address) + OFFSET.rseq_cs, 8, 0)) return -E.EFAULT;
  if (!inside) return 0;
  delete rseq.event;
  k.machine.events.emit("rseq", k.machine.currentCpu.index, { step: "abort", ip: `0x${regs.ip.toString(16)}` });
  regs.set("ip", section.abort);
  return 0;
}

const putCpuIds = (k: Kernel, task: Task, address: bigint, start: number, id: number): boolean =>
  putStruct(k, task, Number(address), CPU_IDS.make({ cpu_id_start: start, cpu_id: id }));

/** __rseq_handle_notify_resume(). `signr`: the signal about to be delivered, 0 = none. */
function handleNotifyResume(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, signr: number): void {
  const { rseq } = task;
  if (rseq === undefined || task.dead) return;
  const error = k.once("rseq_ip_fixup", () => ipFixup(k, task, rseq, regs));
  const { index } = cpu;
  if (error !== 0 || !putCpuIds(k, task, rseq.address, index, index)) forceSigsegv(k, cpu, task, signr);
}

/** rseq_handle_notify_resume(): on the way to user mode, for TIF_NOTIFY_RESUME. */
export const rseqNotifyResume = (k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): void =>
  handleNotifyResume(k, cpu, task, regs, 0);

/** rseq_signal_deliver(): before the frame, so that the handler returns to the abort handler. */
export function rseqSignalDeliver(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, signr: number): void {
  if (task.rseq === undefined) return;
  k.once("rseq_signal_deliver", () => {
    if (task.rseq !== undefined) task.rseq.event = true;
    handleNotifyResume(k, cpu, task, regs, signr);
  });
}

/** rseq(address, length, flags, signature). */
export const rseqCall: Syscall = (c) => {
  const [address, length, flags, signature] = [c.arg(0), c.uint(1), c.int(2), c.uint(3)];
  const { k, task } = c;
  const old = task.rseq;
  if ((flags & FLAG_UNREGISTER) !== 0) {
    if (flags !== FLAG_UNREGISTER || old?.address !== address || length !== RSEQ_SIZE) return -E.EINVAL;
    if (old.signature !== signature) return -E.EPERM;
    if (!putCpuIds(k, task, address, 0, UNINITIALIZED)) return -E.EFAULT;
    delete task.rseq;
    return 0;
  }
  if (flags !== 0) return -E.EINVAL;
  if (old !== undefined) {
    if (old.address !== address || length !== old.length) return -E.EINVAL;
    return old.signature === signature ? -E.EBUSY : -E.EPERM;
  }
  if (address % BigInt(RSEQ_SIZE) !== 0n || length !== RSEQ_SIZE) return -E.EINVAL;
  if (address + BigInt(length) > BigInt(k.layout.address.taskSizeMax)) return -E.EFAULT;
  // a section left there by the last user of this memory is none
  const section = Number(address) + OFFSET.rseq_cs;
  const left = getWord(k, task, section, 8);
  if (left === undefined || (left !== 0n && !putWord(k, task, section, 8, 0))) return -E.EFAULT;
  task.rseq = { address, length, signature };
  // the CPU's number is written on the way out
  k.setFlag(task, "NOTIFY_RESUME");
  return 0;
};
