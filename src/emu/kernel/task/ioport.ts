/**
 * Ports for user mode (kernel/ioport.c): a bitmap a task, copied to the TSS of the CPU before the task returns to user mode; IOPL 3 is
 * such a bitmap too, one that allows all, so that nobody can turn interrupts off.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { E } from "../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import { readUser } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { CAP, capable } from "./cred.ts";

const PORTS = 65536;
const MAX_IOPL = 3;

function setBase(k: Kernel, cpu: Cpu, base: number): void {
  const tss = k.perCpuBase(cpu) + k.layout.perCpu.cpu_tss_rw!.offset;
  k.memory.writeField(tss, k.layout.tss.io_bitmap_base!, BigInt(base));
}

/** tss_invalidate_io_bitmap(): no bitmap within the limit, so every port faults. */
export function invalidateIoBitmap(k: Kernel, cpu: Cpu): void {
  setBase(k, cpu, k.layout.ioBitmap.invalid);
}

/** tss_update_io_bitmap(): the last thing before user mode, for a task with TIF_IO_BITMAP; or when it is switched to. */
export function updateIoBitmap(k: Kernel, cpu: Cpu, task: Task): void {
  const { io } = task;
  const { offset, mapAll } = k.layout.ioBitmap;
  if (io?.iopl === MAX_IOPL) setBase(k, cpu, mapAll);
  else if (io?.bitmap !== undefined) {
    copyBitmap(k, cpu, io.bitmap, io.sequence);
    setBase(k, cpu, offset);
  } else {
    k.setFlag(task, "IO_BITMAP", false);
    invalidateIoBitmap(k, cpu);
  }
}

/** tss_copy_io_bitmap(), unless this very version is there. */
function copyBitmap(k: Kernel, cpu: Cpu, bitmap: Uint8Array, sequence: number): void {
  if (k.state.ioBitmaps[cpu.index] === sequence) return;
  k.state.ioBitmaps[cpu.index] = sequence;
  const tss = k.perCpuBase(cpu) + k.layout.perCpu.cpu_tss_rw!.offset;
  k.memory.write(tss + k.layout.ioBitmap.offset, bitmap);
}

/** task_update_io_bitmap(). */
function changed(k: Kernel, cpu: Cpu, task: Task): void {
  const wanted = task.io?.iopl === MAX_IOPL || task.io?.bitmap !== undefined;
  k.setFlag(task, "IO_BITMAP", wanted);
  if (!wanted) invalidateIoBitmap(k, cpu);
  else if (k.choice.hooks.ioBitmapAtSwitch === true) updateIoBitmap(k, cpu, task);
}

/** ksys_ioperm(). A set bit forbids. */
export function ioperm(k: Kernel, cpu: Cpu, task: Task, from: number, count: number, allow: boolean): number {
  if (count === 0 || from + count > PORTS) return -E.EINVAL;
  if (allow && !capable(task, CAP.SYS_RAWIO)) return -E.EPERM;
  if (!allow && task.io?.bitmap === undefined) return 0;
  const bitmap = task.io?.bitmap?.slice() ?? new Uint8Array(PORTS / 8).fill(0xff);
  for (let port = from; port < from + count; port++) {
    const bit = 1 << (port & 7);
    bitmap[port >> 3] = allow ? bitmap[port >> 3]! & ~bit : bitmap[port >> 3]! | bit;
  }
  const iopl = task.io?.iopl ?? 0;
  const empty = bitmap.every((byte) => byte === 0xff);
  task.io = { iopl, sequence: k.state.nextId++, ...(empty ? {} : { bitmap }) };
  changed(k, cpu, task);
  return 0;
}

export function iopl(k: Kernel, cpu: Cpu, task: Task, level: number): number {
  if (level < 0 || level > MAX_IOPL) return -E.EINVAL;
  if (level > (task.io?.iopl ?? 0) && !capable(task, CAP.SYS_RAWIO)) return -E.EPERM;
  task.io = { sequence: 0, ...task.io, iopl: level };
  changed(k, cpu, task);
  return 0;
}

const CLI = 0xfa;
const STI = 0xfb;
/** fixup_iopl_exception(): with the emulated IOPL 3, CLI and STI do nothing instead of raising SIGSEGV. */
export function fixupIopl(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): boolean {
  if (task.io?.iopl !== MAX_IOPL) return false;
  const [opcode] = readUser(k, task, Number(regs.ip), 1);
  if (opcode !== CLI && opcode !== STI) return false;
  k.printk(cpu, `${k.process(task).comm}[${task.pid}] attempts to use CLI/STI, pretending it's a NOP`);
  regs.set("ip", regs.ip + 1n);
  return true;
}
