/**
 * handle_vm86_fault() and handle_vm86_trap(): what v8086 code may not do itself (IOPL is 0, so cli, sti, pushf, popf, int n and iret all
 * fault) is done for it on its virtual flags; everything else ends v8086 mode. Source: arch/x86/kernel/vm86_32.c.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { VECTOR } from "../../cpu/fault.ts";
import { EFLAGS } from "../../cpu/layout.ts";
import { SIG } from "../abi/signal.ts";
import { isRevectored, VM86, VM86PLUS, vm86Result } from "../abi/vm86.ts";
import type { Kernel } from "../kernel.ts";
import { copyFromUser, copyToUser } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import { forceSig } from "../signal/send.ts";
import type { Task } from "../state.ts";
import { saveV86State } from "./leave.ts";
import { RETURN_MASK, SAFE_MASK, type Vm86, Vm86Regs, vm86Of } from "./state.ts";

const BIOSSEG = 0xf000;
/** Prefixes that are skipped; only the operand size one (66) has an effect. */
const PREFIXES: ReadonlySet<number> = new Set([0x66, 0x67, 0x2e, 0x3e, 0x26, 0x36, 0x65, 0x64, 0xf2, 0xf3]);

/** Where an emulated access failed: the instruction is then treated as one that is not emulated. */
const BAD_ADDRESS = Symbol("bad address");

/** A position in a real-mode segment: 16-bit offset that wraps, byte by byte. */
class Cursor {
  readonly #k: Kernel;
  readonly #task: Task;
  readonly #base: number;
  offset: number;

  constructor(k: Kernel, task: Task, segment: number, offset: number) {
    this.#k = k;
    this.#task = task;
    this.#base = segment << 4;
    this.offset = offset;
  }
  pop(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      const byte = copyFromUser(this.#k, this.#task, this.#base + this.offset, 1);
      if (byte === undefined) throw BAD_ADDRESS;
      value |= byte[0]! << (8 * i);
      this.offset = (this.offset + 1) & 0xffff;
    }
    return value >>> 0;
  }
  push(value: number, bytes: number): void {
    for (let i = bytes - 1; i >= 0; i--) {
      this.offset = (this.offset - 1) & 0xffff;
      const byte = Uint8Array.of(value >>> (8 * i));
      if (!copyToUser(this.#k, this.#task, this.#base + this.offset, byte)) throw BAD_ADDRESS;
    }
  }
}

/** What is left to do: look whether interrupts are wanted, the common end, nothing, or to leave v8086 mode. */
type Next = "check-vip" | "return" | "done" | { readonly leave: number; readonly arg?: number };

class Emulation {
  readonly k: Kernel;
  readonly cpu: Cpu;
  readonly regs: Vm86Regs;
  readonly vm86: Vm86;
  readonly code: Cursor;
  readonly stack: Cursor;

  constructor(k: Kernel, cpu: Cpu, regs: PtRegs) {
    const task = k.current(cpu);
    this.k = k;
    this.cpu = cpu;
    this.regs = new Vm86Regs(k, regs);
    this.vm86 = vm86Of(task)!;
    this.code = new Cursor(k, task, regs.cs, this.regs.get16("ip"));
    this.stack = new Cursor(k, task, regs.ss, this.regs.get16("sp"));
  }

  plus(flag: number): boolean {
    return (this.vm86.plusFlags & flag) !== 0;
  }

  /** get_vflags(): what PUSHF shows. */
  getFlags(): number {
    const { veflags, veflagsMask } = this.vm86;
    const virtualIf = (veflags & EFLAGS.VIF) !== 0 ? EFLAGS.IF : 0;
    return (this.regs.get32("flags") & RETURN_MASK) | virtualIf | EFLAGS.IOPL | (veflags & veflagsMask);
  }
  /** set_vflags_short() and set_vflags_long(): what POPF and IRET change. */
  setFlags(flags: number, wide: boolean): void {
    const mask = wide ? this.vm86.veflagsMask : this.vm86.veflagsMask & 0xffff;
    this.vm86.veflags = ((this.vm86.veflags & ~mask) | (flags & mask)) >>> 0;
    this.regs.set32("flags", (this.regs.get32("flags") & ~SAFE_MASK) | (flags & SAFE_MASK));
    this.setIf((flags & EFLAGS.IF) !== 0);
  }
  setIf(on: boolean): void {
    this.vm86.veflags = (on ? this.vm86.veflags | EFLAGS.VIF : this.vm86.veflags & ~EFLAGS.VIF) >>> 0;
  }
  clear(mask: number): void {
    this.regs.set32("flags", this.regs.get32("flags") & ~mask);
  }

  /** The prefixes are behind `code`, and the opcode. */
  opcode(): { opcode: number; wide: boolean } {
    let wide = false;
    for (;;) {
      const byte = this.code.pop(1);
      if (!PREFIXES.has(byte)) return { opcode: byte, wide };
      wide ||= byte === 0x66;
    }
  }

  /** Everything but leaving v8086 mode. The registers change only after the last access to memory. */
  run(): Next {
    const { opcode, wide } = this.opcode();
    const size = wide ? 4 : 2;
    switch (opcode) {
      case 0x9c: // pushf
        this.stack.push(this.getFlags(), size);
        this.commit();
        return "return";
      case 0x9d: // popf
        this.popFlags(this.stack.pop(size), wide);
        this.commit();
        return "check-vip";
      case 0xcd:
        return this.intN(this.code.pop(1));
      case 0xcf: // iret
        this.iret(size, wide);
        return "check-vip";
      case 0xfa: // cli
        this.commit();
        this.setIf(false);
        return "return";
      case 0xfb: // sti
        this.commit();
        this.setIf(true);
        return "check-vip";
      default:
        return { leave: VM86.VM86_UNKNOWN };
    }
  }

  /** The instruction is done: ip behind it, sp where it left the stack. */
  private commit(): void {
    this.regs.set16("ip", this.code.offset);
    this.regs.set16("sp", this.stack.offset);
  }
  private popFlags(value: number, wide: boolean): void {
    const trap = this.plus(VM86PLUS.vm86dbg_active) && this.plus(VM86PLUS.vm86dbg_TFpendig) ? EFLAGS.TF : 0;
    this.setFlags(value | trap, wide);
  }
  private iret(size: 2 | 4, wide: boolean): void {
    const ip = this.stack.pop(size);
    const cs = this.stack.pop(size);
    const flags = this.stack.pop(size);
    this.regs.set16("sp", this.stack.offset);
    this.regs.set16("ip", ip);
    this.regs.set32("cs", cs & 0xffff);
    this.popFlags(flags, wide);
  }
  private intN(nr: number): Next {
    const mine = this.plus(VM86PLUS.vm86dbg_active) && isRevectored(this.vm86.intxxtab, nr);
    const next = mine ? { leave: VM86.VM86_INTx, arg: nr } : this.doInt(nr);
    if (next !== "done") this.regs.set16("ip", this.code.offset);
    return next;
  }

  /** do_int(): through the interrupt table at 0, unless the caller wants this interrupt for itself. */
  doInt(nr: number): Next {
    return this.reflect(nr) ? "done" : { leave: VM86.VM86_INTx, arg: nr };
  }
  private reflect(nr: number): boolean {
    const { regs, vm86 } = this;
    if (regs.pt.cs === BIOSSEG || isRevectored(vm86.intRevectored, nr)) return false;
    if (nr === 0x21 && isRevectored(vm86.int21Revectored, (regs.get32("ax") >> 8) & 0xff)) return false;
    const vector = copyFromUser(this.k, this.k.current(this.cpu), nr << 2, 4);
    if (vector === undefined) return false;
    const ip = vector[0]! | (vector[1]! << 8);
    const cs = vector[2]! | (vector[3]! << 8);
    if (cs === BIOSSEG) return false;
    try {
      this.stack.push(this.getFlags(), 2);
      this.stack.push(regs.pt.cs, 2);
      this.stack.push(this.code.offset, 2);
    } catch (error) {
      if (error !== BAD_ADDRESS) throw error;
      return false;
    }
    regs.set32("cs", cs);
    regs.set16("sp", this.stack.offset);
    regs.set16("ip", ip);
    this.clear(EFLAGS.TF | EFLAGS.AC);
    this.setIf(false);
    return true;
  }
}

/** A #GP in v8086 mode. */
export function handleVm86Fault(k: Kernel, cpu: Cpu, regs: PtRegs): void {
  const { next, stepped } = k.once("handle_vm86_fault", () => {
    const before = regs.flags;
    return { next: tryToRun(new Emulation(k, cpu, regs)), stepped: (before & EFLAGS.TF) !== 0 };
  });
  finish(new Emulation(k, cpu, regs), next, stepped);
}

function tryToRun(e: Emulation): Next {
  try {
    return e.run();
  } catch (error) {
    if (error !== BAD_ADDRESS) throw error;
    return { leave: VM86.VM86_UNKNOWN };
  }
}

/** The end of an emulated instruction: v8086 mode goes on, or is left with a reason. */
function finish(e: Emulation, next: Next, stepped: boolean): void {
  const leave = (type: number, arg = 0) => saveV86State(e.k, e.cpu, e.regs.pt, vm86Result(type, arg));
  if (next === "done") return;
  if (typeof next === "object") {
    leave(next.leave, next.arg);
    return;
  }
  const wanted = EFLAGS.VIP | EFLAGS.VIF;
  if (next === "check-vip" && (e.vm86.veflags & wanted) === wanted) leave(VM86.VM86_STI);
  else if (e.plus(VM86PLUS.force_return_for_pic) && (e.vm86.veflags & (EFLAGS.IF | EFLAGS.VIF)) !== 0)
    leave(VM86.VM86_PICRETURN);
  else if (stepped) handleVm86Trap(e.k, e.cpu, e.regs.pt, 0, VECTOR.DB);
}

/** Vectors 0 to 5 in v8086 mode. false = nothing was done, and the trap raises its ordinary signal. */
export function handleVm86Trap(k: Kernel, cpu: Cpu, regs: PtRegs, errorCode: number, trapNr: number): boolean {
  const e = new Emulation(k, cpu, regs);
  if (e.plus(VM86PLUS.is_vm86pus)) {
    const asked = trapNr === VECTOR.DB || trapNr === VECTOR.BP;
    const next = asked ? { leave: VM86.VM86_TRAP, arg: trapNr } : k.once("handle_vm86_trap", () => e.doInt(trapNr));
    finish(e, next, false);
    return true;
  }
  if (trapNr !== VECTOR.DB) return false;
  const task = k.current(cpu);
  task.thread = { ...task.thread, trapNr, errorCode };
  forceSig(k, cpu, task, SIG.SIGTRAP);
  return true;
}
