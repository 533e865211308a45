/** The stack a program begins with: strings at the top, then the tables of argv, envp and the auxiliary vector (create_elf_tables). */
import type { Addr } from "../../cpu/state.ts";
import { XFEATURES, xsaveSize } from "../../cpu/system/cpuid-data.ts";
import { AT } from "../abi/auxv.ts";
import { FREGS_SIZE, SIGFRAME_IA32, XSTATE_MAGIC2_SIZE } from "../abi/sigcontext.ts";
import { roundUp } from "../abi/struct.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { writeDirect } from "../mm/direct.ts";
import { mapRange } from "../mm/mm.ts";
import { pageAlign } from "../mm/vma.ts";
import { type Mm, type Task, VM } from "../state.ts";
import type { VdsoImage } from "../vdso/index.ts";
import type { Loadable } from "./elf.ts";
import type { Executable } from "./executable.ts";
import type { Loaded } from "./load.ts";

/** Room that a new stack has below its strings: setup_arg_pages' stack_expand. */
const STACK_EXPAND = 128 * 1024;
const CLOCK_TICKS = 100n;
const RANDOM_BYTES = 16;
/** get_sigframe_size(): the largest frame, FPU state with its alignment, and the frame's own. */
const SIGFRAME_SIZE = roundUp(
  SIGFRAME_IA32.size + 15 + FREGS_SIZE + xsaveSize(XFEATURES) + XSTATE_MAGIC2_SIZE + 63,
  16,
);

/** Where the strings of a new stack are. */
export interface StackStrings {
  readonly argv: readonly Addr[];
  readonly envp: readonly Addr[];
  readonly execfn: Addr;
}

/** arch_align_stack(): a little randomness below a page, and alignment. */
const alignStack = (k: Kernel, sp: Addr): Addr => Math.floor((sp - k.machine.random.below(8192)) / 16) * 16;

/** Makes the stack below `randomTop` and puts the strings on it; undefined when there is no memory. */
export function pushStrings(
  k: Kernel,
  task: Task,
  mm: Mm,
  { loadable, args, filename }: Executable,
  randomTop: Addr,
  env: readonly string[],
): StackStrings | undefined {
  const word = loadable.bits / 8;
  const top = pageAlign(alignStack(k, randomTop));
  const size = [...args, ...env].reduce((sum, text) => sum + text.length * 3 + 1 + word, 4 * PAGE_SIZE);
  const start = top - pageAlign(STACK_EXPAND + size);
  const flags = VM.READ | VM.WRITE | VM.GROWSDOWN | (loadable.execStack ? VM.EXEC : 0);
  if (mapRange(k, mm, { start, end: top, flags, name: "[stack]" }) !== 0) return undefined;
  let sp = top - word;
  let failed = false;
  const string = (text: string): Addr => {
    const bytes = new TextEncoder().encode(`${text}\0`);
    sp -= bytes.length;
    failed ||= !put(k, task, sp, bytes);
    return sp;
  };
  const strings = (list: readonly string[]): Addr[] => [...list].reverse().map(string).reverse();
  const execfn = string(filename);
  mm.envEnd = execfn;
  const envp = strings(env);
  mm.envStart = sp;
  const argv = strings(args);
  mm.argStart = sp;
  mm.startStack = sp;
  return failed ? undefined : { argv, envp, execfn };
}

/** create_elf_tables(): the stack pointer to begin with, or undefined when there is no memory. */
export function pushTables(
  k: Kernel,
  task: Task,
  mm: Mm,
  loadable: Loadable,
  { bias, interpreterBias }: Loaded,
  vdso: VdsoImage,
  { argv, envp, execfn }: StackStrings,
): Addr | undefined {
  const word = loadable.bits / 8;
  const { hwcap, hwcap2, platform } = k.arch.hwcap(k, loadable.bits);
  const name = new TextEncoder().encode(`${platform}\0`);
  const platformAt = alignStack(k, mm.argStart) - name.length;
  const random = platformAt - RANDOM_BYTES;
  if (!put(k, task, platformAt, name)) return undefined;
  if (!put(k, task, random, k.machine.random.bytes(RANDOM_BYTES))) return undefined;
  const auxv: [number, bigint][] = [];
  const add = (type: number, value: number | bigint) => auxv.push([type, BigInt(value)]);
  if (loadable.bits === 32) add(AT.AT_SYSINFO, mm.context.vdso + (vdso.symbols.get("__kernel_vsyscall") ?? 0));
  add(AT.AT_SYSINFO_EHDR, mm.context.vdso);
  add(AT.AT_MINSIGSTKSZ, SIGFRAME_SIZE);
  add(AT.AT_HWCAP, hwcap);
  add(AT.AT_PAGESZ, PAGE_SIZE);
  add(AT.AT_CLKTCK, CLOCK_TICKS);
  add(AT.AT_PHDR, loadable.phdr === 0 ? 0 : loadable.phdr + bias);
  add(AT.AT_PHENT, loadable.phent);
  add(AT.AT_PHNUM, loadable.phnum);
  add(AT.AT_BASE, interpreterBias);
  add(AT.AT_FLAGS, 0);
  add(AT.AT_ENTRY, loadable.entry + bias);
  add(AT.AT_UID, task.cred.uid);
  add(AT.AT_EUID, task.cred.euid);
  add(AT.AT_GID, task.cred.gid);
  add(AT.AT_EGID, task.cred.egid);
  add(AT.AT_SECURE, 0);
  add(AT.AT_RANDOM, random);
  add(AT.AT_HWCAP2, hwcap2);
  add(AT.AT_EXECFN, execfn);
  add(AT.AT_PLATFORM, platformAt);
  add(AT.AT_NULL, 0);
  mm.auxv = auxv;

  const pairs = auxv.flatMap(([type, value]) => [BigInt(type), value]);
  const table = [...[argv.length, ...argv, 0, ...envp, 0].map(BigInt), ...pairs];
  const sp = Math.floor((random - table.length * word) / 16) * 16;
  if (!put(k, task, sp, packWords(table, word))) return undefined;
  mm.startStack = sp;
  return sp;
}

/** The pages are the new program's, and nobody runs in them yet. */
const put = (k: Kernel, task: Task, at: number, bytes: Uint8Array): boolean =>
  writeDirect(k, task, at, bytes) === bytes.length;

function packWords(values: readonly bigint[], word: number): Uint8Array {
  const bytes = new Uint8Array(values.length * word);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (word === 8) view.setBigUint64(i * 8, BigInt.asUintN(64, value), true);
    else view.setUint32(i * 4, Number(value & 0xffff_ffffn), true);
  });
  return bytes;
}
