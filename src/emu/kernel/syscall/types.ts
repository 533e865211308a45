/** What a system call function gets and gives, and how a table is made of groups of them. */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Addr } from "../../cpu/state.ts";
import type { SyscallAbi } from "../abi/syscalls.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Mm, Process, Task } from "../state.ts";

/** The task sleeps, with `task.wait` saying why; the call is made again when it wakes, and finds that. */
export const BLOCK = "block";
/** The value for ax: a result, or a negative error number. undefined = ax is not to be touched. */
export type SyscallResult = number | bigint | typeof BLOCK | undefined;
export type Syscall = (c: SyscallContext) => SyscallResult;
/** By name, as in abi/syscalls.ts. */
export type SyscallGroup = Readonly<Record<string, Syscall>>;

export interface SyscallTable {
  readonly abi: SyscallAbi;
  /** pt_regs' names of the six arguments. */
  readonly arguments: readonly string[];
  /** Where the structures and pointers of this table are 32-bit. */
  readonly compat: boolean;
  readonly calls: SyscallGroup;
}

export class SyscallContext {
  readonly k: Kernel;
  readonly cpu: Cpu;
  readonly task: Task;
  readonly regs: PtRegs;
  readonly table: SyscallTable;
  readonly args: readonly bigint[];

  constructor(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, table: SyscallTable, args: readonly bigint[]) {
    this.k = k;
    this.cpu = cpu;
    this.task = task;
    this.regs = regs;
    this.table = table;
    this.args = args;
  }

  get compat(): boolean {
    return this.table.compat;
  }
  /** sizeof(long) and of a pointer for the caller. */
  get wordSize(): 4 | 8 {
    return this.compat ? 4 : 8;
  }
  get mm(): Mm {
    return this.k.mm(this.task);
  }
  get process(): Process {
    return this.k.process(this.task);
  }

  /** Argument i as an unsigned number of the caller's word. */
  arg(i: number): bigint {
    return this.args[i]!;
  }
  /** As an int. */
  int(i: number): number {
    return Number(BigInt.asIntN(32, this.args[i]!));
  }
  /** As an unsigned int. */
  uint(i: number): number {
    return Number(this.args[i]! & 0xffff_ffffn);
  }
  /** As a pointer or size: exact in all of user space, and beyond it at least too large. */
  addr(i: number): Addr {
    return Number(this.args[i]!);
  }
  /** As a signed long. */
  long(i: number): bigint {
    return BigInt.asIntN(this.wordSize * 8, this.args[i]!);
  }
}
