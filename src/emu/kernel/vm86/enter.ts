/** vm86() and vm86old(): into v8086 mode. Source: arch/x86/kernel/vm86_32.c. */
import { EFLAGS } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import { E } from "../abi/errno.ts";
import {
  VM86_CPU,
  VM86_FUNCTION,
  VM86_SCREEN_BITMAP,
  VM86_STRUCT,
  VM86PLUS,
  VM86PLUS_INFO,
  VM86PLUS_STRUCT,
} from "../abi/vm86.ts";
import { changeStackTop, SEGMENT_GS, stackTop } from "../i386/thread.ts";
import { copyFromUser } from "../mm/uaccess.ts";
import type { SyscallContext, SyscallGroup, SyscallResult } from "../syscall/types.ts";
import { SAFE_MASK, setVm86, type Vm86, Vm86Regs, vm86Of } from "./state.ts";

const FIRST_VM86_IRQ = 3;
const LAST_VM86_IRQ = 15;

function sysVm86(c: SyscallContext): SyscallResult {
  switch (c.uint(0)) {
    case VM86_FUNCTION.VM86_PLUS_INSTALL_CHECK:
      return 0;
    case VM86_FUNCTION.VM86_REQUEST_IRQ:
    case VM86_FUNCTION.VM86_FREE_IRQ:
    case VM86_FUNCTION.VM86_GET_IRQ_BITS:
    case VM86_FUNCTION.VM86_GET_AND_RESET_IRQ:
      return irqHandling(c.uint(0), c.int(1));
    default:
      return doSysVm86(c, c.addr(1), true);
  }
}

/** do_vm86_irq_handling() for a task without CAP_SYS_ADMIN: it cannot request an interrupt, so it never has one. */
function irqHandling(call: number, irq: number): number {
  if (call === VM86_FUNCTION.VM86_REQUEST_IRQ) return -E.EPERM;
  if (call === VM86_FUNCTION.VM86_FREE_IRQ && (irq < FIRST_VM86_IRQ || irq > LAST_VM86_IRQ)) return -E.EPERM;
  return 0;
}

function doSysVm86(c: SyscallContext, user: Addr, plus: boolean): SyscallResult {
  const { k, task } = c;
  if ((vm86Of(task)?.savedSp0 ?? 0) !== 0) return -E.EPERM;
  const head = copyFromUser(k, task, user, VM86_STRUCT.offset.int_revectored);
  if (head === undefined) return -E.EFAULT;
  if ((wordAt(head, VM86_STRUCT.offset.flags) & VM86_SCREEN_BITMAP) !== 0) return -E.EINVAL;
  const size = plus ? VM86PLUS_STRUCT.size : VM86_STRUCT.size;
  const whole = copyFromUser(k, task, user, size);
  if (whole === undefined) return -E.EFAULT;
  const bytes = new Uint8Array(VM86PLUS_STRUCT.size);
  bytes.set(whole);
  return enter(c, user, bytes, plus);
}

function enter(c: SyscallContext, user: Addr, bytes: Uint8Array, plus: boolean): SyscallResult {
  const { k, cpu, task, regs } = c;
  const v = VM86PLUS_STRUCT.at(bytes);
  const vm86: Vm86 = {
    userVm86: user,
    regs32: regs32(c),
    veflags: v.get("regs.eflags"),
    veflagsMask: veflagsMask(v.get("cpu_type")),
    savedSp0: stackTop(k, task),
    flags: v.get("flags"),
    cpuType: v.get("cpu_type"),
    intRevectored: v.region("int_revectored").slice(),
    int21Revectored: v.region("int21_revectored").slice(),
    plusFlags: plus ? (v.get("vm86plus.flags") | VM86PLUS.is_vm86pus) >>> 0 : 0,
    intxxtab: plus
      ? v.region("vm86plus.vm86dbg_intxxtab").slice()
      : new Uint8Array(VM86PLUS_INFO.sizeOf("vm86dbg_intxxtab")),
  };
  setVm86(task, vm86);
  // Interrupts, NT and the rest of what user mode may not choose come from the caller's own flags.
  const flags = (v.get("regs.eflags") & SAFE_MASK) | (regs.flags & ~SAFE_MASK) | EFLAGS.VM;
  changeStackTop(k, cpu, task, vm86.savedSp0 + 16, 0);

  const frame = new Vm86Regs(k, regs);
  for (const name of ["bx", "cx", "dx", "si", "di", "bp", "ax"] as const) frame.set32(name, v.get(`regs.e${name}`));
  for (const name of ["ds", "es", "fs", "gs"] as const) frame.set32(name, 0);
  frame.set32("ip", v.get("regs.eip"));
  frame.set32("cs", v.get("regs.cs"));
  frame.set32("flags", flags);
  frame.set32("sp", v.get("regs.esp"));
  frame.set32("ss", v.get("regs.ss"));
  for (const name of ["es", "ds", "fs", "gs"] as const) frame.setSegment(name, v.get(`regs.${name}`));
  k.machine.events.emit("vm86", cpu.index, {
    what: "enter",
    plus,
    cs: v.get("regs.cs"),
    ip: v.get("regs.eip"),
    sp0: vm86.savedSp0 + 16,
  });
  return regs.ax;
}

/** The registers of this system call, with GS as it is in the processor: the frame does not hold it. */
function regs32(c: SyscallContext): Uint8Array {
  const bytes = c.k.memory.read(c.regs.address, c.k.layout.ptRegsSize);
  const selector = c.cpu.selector(SEGMENT_GS);
  new DataView(bytes.buffer).setUint32(c.k.layout.ptRegs.gs!.offset, selector, true);
  return bytes;
}

function veflagsMask(cpuType: number): number {
  if (cpuType === VM86_CPU.CPU_286) return 0;
  if (cpuType === VM86_CPU.CPU_386) return EFLAGS.NT | EFLAGS.IOPL;
  if (cpuType === VM86_CPU.CPU_486) return EFLAGS.AC | EFLAGS.NT | EFLAGS.IOPL;
  return EFLAGS.ID | EFLAGS.AC | EFLAGS.NT | EFLAGS.IOPL;
}

const wordAt = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

export const VM86_SYSCALLS: SyscallGroup = {
  vm86: sysVm86,
  vm86old: (c) => doSysVm86(c, c.addr(0), false),
};
