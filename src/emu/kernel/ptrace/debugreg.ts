/**
 * A task's debug registers (arch/x86/kernel/ptrace.c, hw_breakpoint.c): what its tracer wrote, loaded into the processor while it runs, and
 * block stepping, which is a bit of DEBUGCTL. DR6 is virtual: it keeps what hit until the tracer clears it.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { OFF } from "../../cpu/layout.ts";
import { E } from "../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../state.ts";
import type { DebugRegisters } from "./types.ts";

const COUNT = 4;
export const DR6_RESERVED = 0xffff_0ff0;
const DR_CONTROL_RESERVED = 0xffff_fc00_0000_fc00n;
const DR7_FIXED = 0x400;
const GLOBAL_ENABLE_SLOWDOWN = 0x200;
const BTF = 2;
const DR_STEP = 1 << 14;
const offset = (n: number): number => OFF.DR + n * 8;

const ofTask = (task: Task): DebugRegisters => (task.debug ??= { address: [0n, 0n, 0n, 0n], control: 0 });

export function getDebugReg(task: Task, n: number): bigint {
  const { debug } = task;
  if (n < COUNT) return debug?.address[n] ?? 0n;
  if (n === 6) return BigInt(((task.thread.virtualDr6 ?? 0) ^ DR6_RESERVED) >>> 0);
  return n === 7 ? BigInt((debug?.control ?? 0) >>> 0) : 0n;
}

/** ptrace_set_debugreg(). There are no DR4 and DR5. */
export function setDebugReg(k: Kernel, task: Task, n: number, value: bigint): number {
  if (n === 6) {
    task.thread.virtualDr6 = Number((value ^ BigInt(DR6_RESERVED)) & 0xffff_ffffn);
    return 0;
  }
  if (n > COUNT - 1 && n !== 7) return -E.EIO;
  const debug = ofTask(task);
  if (n < COUNT) {
    if (!inUserSpace(k, value, lengthOf(debug.control, n))) return -E.EINVAL;
    debug.address[n] = value;
  } else {
    const control = Number(value & ~DR_CONTROL_RESERVED & 0xffff_ffffn);
    const error = checkControl(k, debug, control);
    if (error !== 0) return error;
    debug.control = Number(value & 0xffff_ffffn);
  }
  return 0;
}

const enabled = (control: number, n: number): boolean => ((control >>> (n * 2)) & 3) !== 0;
const typeOf = (control: number, n: number): number => (control >>> (16 + n * 4)) & 3;
const EXECUTE = 0;
const IO = 2;
const LENGTHS = [1, 2, 8, 4] as const;
const lengthOf = (control: number, n: number): number => LENGTHS[((control >>> (18 + n * 4)) & 3) as 0 | 1 | 2 | 3];

/** arch_bp_generic_fields() and hw_breakpoint_arch_parse() for each register that is to be on. */
function checkControl(k: Kernel, debug: DebugRegisters, control: number): number {
  for (let n = 0; n < COUNT; n++) {
    if (!enabled(control, n)) continue;
    const [type, length] = [typeOf(control, n), lengthOf(control, n)];
    if (type === IO || (type === EXECUTE && length !== 1)) return -E.EINVAL;
    if (length === 8 && k.layout.wordSize !== 8) return -E.EINVAL;
    const address = debug.address[n]!;
    if ((address & BigInt(length - 1)) !== 0n || !inUserSpace(k, address, length)) return -E.EINVAL;
  }
  return 0;
}

const inUserSpace = (k: Kernel, address: bigint, length: number): boolean =>
  address + BigInt(length - 1) < BigInt(k.layout.address.taskSizeMax);

/** Bits of DR7 that are on while the task runs: encode_dr7() makes every breakpoint a global one. */
function hardwareControl(control: number): number {
  let value = DR7_FIXED;
  for (let n = 0; n < COUNT; n++) {
    if (!enabled(control, n)) continue;
    value |= (((control >>> (16 + n * 4)) & 0xf) << (16 + n * 4)) | (2 << (n * 2)) | GLOBAL_ENABLE_SLOWDOWN;
  }
  return value;
}

/** arch_install_hw_breakpoint() for all of a task's, or none. */
function load(cpu: Cpu, debug: DebugRegisters | undefined): void {
  const control = debug === undefined ? DR7_FIXED : hardwareControl(debug.control);
  for (const [n, address] of debug?.address.entries() ?? []) cpu.set64(offset(n), address);
  cpu.set64(offset(7), BigInt(control >>> 0));
  cpu.debugRegistersChanged();
}

/** __switch_to_xtra() and the breakpoints' own way in and out. */
export function switchDebug(k: Kernel, cpu: Cpu, previous: Task, next: Task): void {
  if (previous.debug !== undefined || next.debug !== undefined) load(cpu, next.debug);
  const [was, is] = [k.testFlag(previous, "BLOCKSTEP"), k.testFlag(next, "BLOCKSTEP")];
  if (was || is) {
    const old = cpu.get32(OFF.DEBUGCTL);
    cpu.set32(OFF.DEBUGCTL, is ? old | BTF : old & ~BTF);
  }
}

/** flush_ptrace_hw_breakpoint(): a new program begins without. */
export function flushDebug(cpu: Cpu, task: Task): void {
  if (task.debug === undefined) return;
  delete task.debug;
  load(cpu, undefined);
}

/**
 * hw_breakpoint_handler(): DR6's bits of the tracer's breakpoints go to the virtual register. What is left of DR6, and whether one was an
 * instruction's, which must not hit again on return.
 */
export function noteBreakpoints(task: Task, dr6: number): { readonly dr6: number; readonly resume: boolean } {
  const control = task.debug?.control ?? 0;
  let left = dr6;
  let resume = false;
  for (let n = 0; n < COUNT; n++) {
    if ((dr6 & (1 << n)) === 0 || !enabled(control, n)) continue;
    const execute = typeOf(control, n) === EXECUTE;
    if (execute && (dr6 & DR_STEP) !== 0) continue;
    left &= ~(1 << n);
    task.thread.virtualDr6 = (task.thread.virtualDr6 ?? 0) | (1 << n);
    resume ||= execute;
  }
  return { dr6: left, resume };
}
