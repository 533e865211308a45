/** execve's second half (fs/exec.c, fs/binfmt_elf.c), which the first program begins with: a new address space with segments, break, vDSO and stack, and the registers to begin with. */
import type { Cpu } from "../../cpu/cpu.ts";
import { RLIMIT } from "../abi/file.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { createMm } from "../mm/mm.ts";
import { pageAlign } from "../mm/vma.ts";
import { clearFpu } from "../signal/fpstate.ts";
import type { Mm, Task } from "../state.ts";
import type { Executable } from "./executable.ts";
import { loadProgram } from "./load.ts";
import { RANDOM } from "./random.ts";
import { pushStrings, pushTables } from "./stack.ts";
import { mapVdso, setSysenterReturn } from "./vdso.ts";

const MIN_GAP = 128 * 2 ** 20;
const STACK_GUARD_GAP = 256 * PAGE_SIZE;
/** End of user space for 32-bit programs on the 64-bit kernel: IA32_PAGE_OFFSET. */
const IA32_PAGE_OFFSET = 0xffff_e000;

/** @returns one sentence if there is no room for the program. */
export function execProgram(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  executable: Executable,
  env: readonly string[],
): string | undefined {
  const { name, loadable } = executable;
  const mm = createMm(k);
  if (mm === undefined) return "not enough guest memory";
  task.mm = mm.id;
  setupLayout(k, task, mm, loadable.bits, name);
  const strings = pushStrings(k, task, mm, executable, randomStackTop(k, mm, loadable.bits), env);
  if (strings === undefined) return "not enough guest memory for arguments and environment";
  const loaded = loadProgram(k, mm, executable);
  if (loaded === undefined) return `${name} does not fit into the guest's memory`;
  const image = mapVdso(k, mm, loadable.bits);
  setSysenterReturn(k, task, image, mm.context.vdso);
  k.arch.switchTo(k, cpu, task);
  const sp = pushTables(k, task, mm, loadable, loaded, image, strings);
  if (sp === undefined) return "not enough guest memory for arguments and environment";
  clearFpu(cpu);
  k.arch.startThread(k, cpu, k.userRegs(task), loaded.start, sp, loadable.bits);
  if (k.arch.bits === 64) setPersonality(k, task, loadable.bits);
  return undefined;
}

/** set_personality_ia32() and set_personality_64bit(): the call that began the program returns as one of the program's own kind. */
function setPersonality(k: Kernel, task: Task, bits: 32 | 64): void {
  k.setFlag(task, "IA32", bits === 32);
  k.setFlag(task, "ADDR32", bits === 32);
  const status = k.threadInfo(task, "status");
  const { COMPAT = 0 } = k.layout.status;
  k.setThreadInfo(task, "status", bits === 32 ? status | COMPAT : status & ~COMPAT);
}

/** arch_pick_mmap_layout(). */
function setupLayout(k: Kernel, task: Task, mm: Mm, bits: 32 | 64, name: string): void {
  const compatTop = k.arch.bits === 32 ? k.layout.address.taskSizeMax : IA32_PAGE_OFFSET;
  const stackLimit = Number(k.process(task).rlimits[RLIMIT.RLIMIT_STACK]![0]);
  const base = (top: number, width: 32 | 64) => {
    const room = stackLimit + RANDOM[width].stack * PAGE_SIZE + STACK_GUARD_GAP;
    const gap = Math.min(Math.max(room, MIN_GAP), Math.floor(top / 6) * 5);
    return pageAlign(top - gap - k.machine.random.below(2 ** RANDOM[width].mmapBits) * PAGE_SIZE);
  };
  mm.taskSize = bits === 32 ? compatTop : k.layout.address.taskSizeMax;
  mm.mmapCompatBase = base(compatTop, 32);
  mm.mmapBase = bits === 32 ? mm.mmapCompatBase : base(mm.taskSize, 64);
  mm.context.ia32 = bits === 32;
  mm.exe = name;
}

/** randomize_stack_top(). */
const randomStackTop = (k: Kernel, mm: Mm, bits: 32 | 64): number =>
  mm.taskSize - k.machine.random.below(RANDOM[bits].stack + 1) * PAGE_SIZE;
