/** The stack a program begins with: strings at the top, then the tables of argv, envp and the auxiliary vector (create_elf_tables). */
import type { Addr } from "../../cpu/state.ts";
import { AT } from "../abi/auxv.ts";
import { MINSIGSTKSZ } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { mapRange } from "../mm/mm.ts";
import { copyToUser } from "../mm/uaccess.ts";
import { type Mm, type Task, VM } from "../state.ts";
import type { VdsoImage } from "../vdso/index.ts";
import type { Loadable } from "./elf.ts";

/** Room that a new stack has below its strings: setup_arg_pages' stack_expand. */
const STACK_EXPAND = 128 * 1024;
const CLOCK_TICKS = 100n;

/** @returns the stack pointer, or undefined when there is no memory. */
export function setupStack(
  k: Kernel,
  task: Task,
  mm: Mm,
  loadable: Loadable,
  bias: number,
  vdso: VdsoImage,
  args: readonly string[],
  env: readonly string[],
): Addr | undefined {
  const word = loadable.bits / 8;
  const top = mm.taskSize;
  const size = [...args, ...env].reduce((sum, text) => sum + text.length * 3 + 1 + word, PAGE_SIZE);
  const start = top - Math.ceil((STACK_EXPAND + size) / PAGE_SIZE) * PAGE_SIZE;
  const flags = VM.READ | VM.WRITE | VM.GROWSDOWN | (loadable.execStack ? VM.EXEC : 0);
  if (mapRange(k, mm, { start, end: top, flags, name: "[stack]" }) !== 0) return undefined;

  let sp = top - word;
  const push = (bytes: Uint8Array): Addr => {
    sp -= bytes.length;
    return copyToUser(k, task, sp, bytes) ? sp : Number.NaN;
  };
  const string = (text: string): Addr => push(new TextEncoder().encode(`${text}\0`));
  const strings = (list: readonly string[]): Addr[] => [...list].reverse().map(string).reverse();
  const execfn = string(mm.exe);
  mm.envEnd = execfn;
  const envp = strings(env);
  mm.envStart = sp;
  const argv = strings(args);
  mm.argStart = sp;

  sp = Math.floor(sp / 16) * 16;
  const { hwcap, hwcap2, platform } = k.arch.hwcap(k, loadable.bits);
  const platformAt = string(platform);
  const random = push(k.machine.random.bytes(16));
  const auxv: [number, bigint][] = [];
  const add = (type: number, value: number | bigint) => auxv.push([type, BigInt(value)]);
  if (loadable.bits === 32) add(AT.AT_SYSINFO, mm.context.vdso + (vdso.symbols.get("__kernel_vsyscall") ?? 0));
  add(AT.AT_SYSINFO_EHDR, mm.context.vdso);
  add(AT.AT_MINSIGSTKSZ, MINSIGSTKSZ);
  add(AT.AT_HWCAP, hwcap);
  add(AT.AT_PAGESZ, PAGE_SIZE);
  add(AT.AT_CLKTCK, CLOCK_TICKS);
  add(AT.AT_PHDR, loadable.phdr === 0 ? 0 : loadable.phdr + bias);
  add(AT.AT_PHENT, loadable.phent);
  add(AT.AT_PHNUM, loadable.phnum);
  add(AT.AT_BASE, 0);
  add(AT.AT_FLAGS, 0);
  add(AT.AT_ENTRY, loadable.entry + bias);
  for (const type of [AT.AT_UID, AT.AT_EUID, AT.AT_GID, AT.AT_EGID]) add(type, USER_ID);
  add(AT.AT_SECURE, 0);
  add(AT.AT_RANDOM, random);
  add(AT.AT_HWCAP2, hwcap2);
  add(AT.AT_EXECFN, execfn);
  add(AT.AT_PLATFORM, platformAt);
  add(AT.AT_NULL, 0);
  mm.auxv = auxv;

  const table = [args.length, ...argv, 0, ...envp, 0]
    .map(BigInt)
    .concat(auxv.flatMap(([type, value]) => [BigInt(type), value]));
  sp = Math.floor((sp - table.length * word) / 16) * 16;
  if (!copyToUser(k, task, sp, packWords(table, word))) return undefined;
  mm.startStack = sp;
  return sp;
}

/** The user that programs run as. */
export const USER_ID = 1000;

function packWords(values: readonly bigint[], word: number): Uint8Array {
  const bytes = new Uint8Array(values.length * word);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (word === 8) view.setBigUint64(i * 8, BigInt.asUintN(64, value), true);
    else view.setUint32(i * 4, Number(value & 0xffff_ffffn), true);
  });
  return bytes;
}
