/**
 * Up-calls: what Linux does in C is TypeScript behind an address in kernel text. A stub is `0F 3F iw ; ret`, a global symbol named
 * as in Linux; the table's order gives the numbers. An up-call runs to completion and leaves nothing on the JavaScript stack.
 */
import type { Cpu } from "../cpu/cpu.ts";
import { EFLAGS } from "../cpu/layout.ts";
import { type Addr, bigToAddr } from "../cpu/state.ts";
import { trackedEntry } from "./entry/context-tracking.ts";
import type { Kernel } from "./kernel.ts";
import { BadKernelAddress } from "./memory.ts";
import { oops } from "./oops.ts";
import { PtRegs } from "./ptregs.ts";
import { UpcallRun, UserCopyRequest } from "./steps.ts";

/** Result of an up-call that cannot go on: the stub calls schedule(), and then the up-call again. It comes as the carry flag. */
export const SCHEDULE = "schedule";
/** Traps of v8086 mode may end it, and then the caller's structure is written. */
const VM86_TRAPS = ["divide_error", "debug", "int3", "overflow", "bounds"].map((name) => `__exc_${name}`);
/** Up-calls that may say so, or need a copy from or to user memory first. All they know is in the task when they are called again. */
const MAY_WAIT: readonly string[] = [
  "syscall_enter_from_user_mode",
  "syscall_exit_work",
  "syscall_trace_enter",
  "syscall_trace_enter_phase1",
  "syscall_trace_enter_phase2",
  "syscall_trace_leave",
  "do_notify_resume",
  "preempt_schedule_irq",
  "do_syscall_x64",
  "do_syscall_32_irqs_on",
  "ia32_sys_call",
  "exit_to_user_mode_prepare",
  "irqentry_exit",
  "schedule_idle",
  "schedule_tail",
  "get_user_argument_6",
  "__exc_general_protection",
  "__exc_page_fault",
  ...VM86_TRAPS,
];

/** The result, if any, goes to the return register. */
// biome-ignore lint/suspicious/noConfusingVoidType: most up-calls return nothing, and say so
export type Upcall = (u: UpcallContext) => bigint | number | boolean | typeof SCHEDULE | void;
export type UpcallTable = Readonly<Record<string, Upcall>>;
/**
 * Functions of Linux that consist of others which can be looked at one by one: assembly of the calls they make, so that a user steps
 * from one to the next with the flags in between to be seen. By name; each ends with its RET.
 */
export type FunctionTable = Readonly<Record<string, readonly string[]>>;

/** DEFINE_IDTENTRY(): name() is __name(), the handler itself, and then the work before the return to user mode, unless entry code does it. */
export function idtEntries(handlers: UpcallTable): {
  readonly upcalls: UpcallTable;
  readonly functions: FunctionTable;
} {
  const names = Object.keys(handlers);
  return {
    upcalls: Object.fromEntries(names.map((name) => [`__${name}`, trackedEntry(name, handlers[name]!)])),
    functions: Object.fromEntries(names.map((name) => [name, [`call __${name}`, ...IRQENTRY_EXIT, "ret"]])),
  };
}

const IRQENTRY_EXIT = [".if EXIT_LOOP_ASM == 0", "call irqentry_exit", ".endif"];

/** Argument registers in order: the C calling conventions of the two kernels. */
const ARGUMENTS = { x86_64: [7, 6, 2, 1, 8, 9], i386: [0, 2, 1] } as const;

export class UpcallContext {
  readonly kernel: Kernel;
  readonly cpu: Cpu;
  /** The symbol that was called. */
  readonly name: string;

  constructor(kernel: Kernel, cpu: Cpu, name: string) {
    this.kernel = kernel;
    this.cpu = cpu;
    this.name = name;
  }

  arg(i: number): bigint {
    const reg = ARGUMENTS[this.kernel.layout.arch][i];
    if (reg === undefined) throw new Error(`${this.name} has no argument ${i}`);
    const value = this.cpu.gpr(reg);
    return this.kernel.layout.wordSize === 4 ? value & 0xffff_ffffn : value;
  }
  /** A pointer argument. */
  pointer(i: number): Addr {
    const value = this.arg(i);
    return this.kernel.layout.wordSize === 4 ? Number(value) : bigToAddr(value);
  }
  /** Argument i as a pointer to pt_regs; every exception and system call handler has it first. */
  regs(i = 0): PtRegs {
    return new PtRegs(this.kernel.memory, this.kernel.layout, this.pointer(i));
  }
}

const STUB_HEAD = `# The C half of the kernel. An up-call does at once what the function of this name does in Linux.

\t.macro\tupcall id
\t.byte\t0x0f, 0x3f
\t.word\t\\id
\t.endm

\t.section .text, "ax"
`;

/** Assembly text of the stubs and of the functions made of them, to be assembled with the entry code. */
export function stubSource(table: UpcallTable, functions: FunctionTable): string {
  const stubs = Object.keys(table).map((name, id) => globalFunction(name, stubLines(name, id)));
  const made = Object.entries({ ...functions, upcall_wait: UPCALL_WAIT }).map(([name, lines]) =>
    globalFunction(name, lines),
  );
  return `${STUB_HEAD}${[...made, ...stubs].join("")}`;
}

const stubLines = (name: string, id: number): readonly string[] =>
  MAY_WAIT.includes(name)
    ? ["1:", `upcall ${id}`, "jnc 2f", "call upcall_wait", "jmp 1b", "2:", "ret"]
    : [`upcall ${id}`, "ret"];

/** A line that ends with a colon is a label. */
function globalFunction(name: string, lines: readonly string[]): string {
  const body = lines.map((line) => (line.endsWith(":") ? `${line}\n` : `\t${line}\n`)).join("");
  return `\n\t.globl ${name}\n\t.type ${name}, @function\n${name}:\n${body}`;
}

/** An up-call that cannot go on has set CF, and ZF where it needs a user copy. */
const UPCALL_WAIT = ["jz user_copy", "jmp schedule"];

/** Connects the table to the CPUs. */
export function installUpcalls(kernel: Kernel, table: UpcallTable): void {
  const entries = Object.entries(table).map(([name, upcall]) => ({ name, upcall, waits: MAY_WAIT.includes(name) }));
  for (const cpu of kernel.machine.cpus) {
    cpu.hooks.upcall = (caller: Cpu, id: number) => {
      const entry = entries[id];
      if (entry === undefined) oops(kernel, caller, `there is no up-call ${id}`);
      else runUpcall(kernel, caller, entry);
    };
  }
}

interface Entry {
  readonly name: string;
  readonly upcall: Upcall;
  readonly waits: boolean;
}

/** What the stub of an up-call that may wait looks at. */
function setWaiting(cpu: Cpu, waits: boolean, forCopy: boolean): void {
  const flags = cpu.getFlags() & ~(EFLAGS.CF | EFLAGS.ZF);
  cpu.setFlagsRaw(flags | (waits ? EFLAGS.CF : 0) | (forCopy ? EFLAGS.ZF : 0));
}

function runUpcall(kernel: Kernel, cpu: Cpu, { name, upcall, waits }: Entry): void {
  const outer = kernel.memory.who;
  kernel.memory.who = name;
  kernel.timeline.upcall(cpu, name);
  const run = waits ? new UpcallRun(cpu, kernel.current(cpu), name) : undefined;
  kernel.run = run;
  try {
    const result = upcall(new UpcallContext(kernel, cpu, name));
    if (waits) setWaiting(cpu, result === SCHEDULE, false);
    run?.leave(false);
    if (result !== undefined && result !== SCHEDULE)
      cpu.setGpr(0, BigInt.asUintN(kernel.layout.wordSize * 8, BigInt(result)));
  } catch (error) {
    if (error instanceof UserCopyRequest) {
      run!.leave(true);
      setWaiting(cpu, true, true);
    } else if (error instanceof BadKernelAddress) oops(kernel, cpu, error.message);
    else throw error;
  } finally {
    kernel.memory.who = outer;
    kernel.run = undefined;
  }
}
