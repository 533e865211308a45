/** save_v86_state(): out of v8086 mode, back to where vm86() was called. Source: arch/x86/kernel/vm86_32.c. */
import type { Cpu } from "../../cpu/cpu.ts";
import { EFLAGS } from "../../cpu/layout.ts";
import { SIG } from "../abi/signal.ts";
import { VM86, VM86_REGS } from "../abi/vm86.ts";
import { changeStackTop } from "../i386/thread.ts";
import type { Kernel } from "../kernel.ts";
import { copyToUser } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import { forceFatalSig } from "../signal/send.ts";
import { type Vm86, Vm86Regs, vm86Of } from "./state.ts";

const REASON = new Map<number, string>(Object.entries(VM86).map(([name, value]) => [value, name]));

/** Writes the caller's vm86_struct, and makes `regs` those of a vm86() that returns `retval`. */
export function saveV86State(k: Kernel, cpu: Cpu, regs: PtRegs, retval: number): void {
  const task = k.current(cpu);
  const vm86 = vm86Of(task)!;
  const written = putRegs(k, cpu, regs, vm86);
  k.machine.events.emit("vm86", cpu.index, {
    what: "leave",
    reason: REASON.get(retval & 0xff) ?? String(retval & 0xff),
    arg: retval >> 8,
    cs: regs.cs,
    ip: Number(regs.ip),
    sp0: vm86.savedSp0,
  });
  changeStackTop(k, cpu, task, vm86.savedSp0, k.layout.selectors.__KERNEL_CS!);
  vm86.savedSp0 = 0;
  k.memory.write(regs.address, vm86.regs32);
  k.arch.setUserSegment(k, cpu, regs, "gs", Number(regs.get("gs")) & 0xffff);
  regs.ax = retval;
  if (!written) forceFatalSig(k, cpu, task, SIG.SIGSEGV);
}

/** The part of the user's structure that is written: vm86_regs but for its unused words. */
function putRegs(k: Kernel, cpu: Cpu, regs: PtRegs, vm86: Vm86): boolean {
  const frame = new Vm86Regs(k, regs);
  const mask = EFLAGS.VIF | vm86.veflagsMask;
  frame.set32("flags", (regs.flags & ~mask) | (vm86.veflags & mask));
  const values: readonly (readonly [at: number, size: 2 | 4, value: number])[] = [
    ...(["bx", "cx", "dx", "si", "di", "bp", "ax", "ip", "sp"] as const).map(
      (name) => [VM86_REGS.offset[`e${name}`], 4, frame.get32(name)] as const,
    ),
    [VM86_REGS.offset.eflags, 4, frame.get32("flags")],
    [VM86_REGS.offset.cs, 2, frame.get32("cs")],
    [VM86_REGS.offset.ss, 2, frame.get32("ss")],
    ...(["es", "ds", "fs", "gs"] as const).map((name) => [VM86_REGS.offset[name], 2, frame.segment(name)] as const),
  ];
  const task = k.current(cpu);
  for (const [at, size, value] of values) {
    const bytes = Uint8Array.of(value, value >> 8, value >> 16, value >> 24).subarray(0, size);
    if (!copyToUser(k, task, vm86.userVm86 + at, bytes)) return false;
  }
  return true;
}
