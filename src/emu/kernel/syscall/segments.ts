/** Segments and ports of a program's own: modify_ldt, thread-local storage in the GDT. */
import { E } from "../abi/errno.ts";
import { decodeUserDesc, LDT_ENTRIES, LDT_ENTRY_SIZE, ldtEmpty, USER_DESC } from "../abi/ldt.ts";
import { copyFromUser, copyToUser } from "../mm/uaccess.ts";
import { ioperm, iopl } from "../task/ioport.ts";
import { installLdt } from "../x86/ldt.ts";
import { allocateTlsEntry, getTlsEntry, pack } from "../x86/tls.ts";
import { archPrctl32, archPrctl64 } from "./arch-prctl.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

function readLdt(c: SyscallContext, address: number, size: number): number {
  const { ldt } = c.mm.context;
  if (ldt === undefined) return 0;
  const wanted = Math.min(size, LDT_ENTRIES * LDT_ENTRY_SIZE);
  const bytes = new Uint8Array(wanted);
  bytes.set(c.k.memory.read(ldt.address, Math.min(wanted, ldt.entries * LDT_ENTRY_SIZE)));
  return copyToUser(c.k, c.task, address, bytes) ? wanted : -E.EFAULT;
}

/** write_ldt(): a new table with one entry changed takes the old one's place. `legacy` is function 1. */
function writeLdt(c: SyscallContext, address: number, size: number, legacy: boolean): number {
  if (size !== USER_DESC.size) return -E.EINVAL;
  const bytes = copyFromUser(c.k, c.task, address, USER_DESC.size);
  if (bytes === undefined) return -E.EFAULT;
  const desc = decodeUserDesc(bytes);
  if (desc.entryNumber >= LDT_ENTRIES) return -E.EINVAL;
  if (desc.contents === 3 && (legacy || !desc.segNotPresent)) return -E.EINVAL;
  const clears = (legacy && desc.baseAddr === 0 && desc.limit === 0) || ldtEmpty(desc);
  const value = clears ? 0n : pack(legacy ? { ...desc, useable: false } : desc);
  return installLdt(c.k, c.cpu, c.task, c.mm, desc.entryNumber, value) ? 0 : -E.ENOMEM;
}

/** The result is an unsigned int: the upper half of rax is zero, also for errors. */
const modifyLdt: Syscall = (c) => {
  const [address, size] = [c.addr(1), c.addr(2)];
  return BigInt(modify(c, c.int(0), address, size) >>> 0);
};
function modify(c: SyscallContext, what: number, address: number, size: number): number {
  if (what === 0) return readLdt(c, address, size);
  if (what === 1 || what === 0x11) return writeLdt(c, address, size, what === 1);
  if (what !== 2) return -E.ENOSYS;
  const length = Math.min(size, c.k.arch.bits === 32 ? 5 * 8 : 128);
  return copyToUser(c.k, c.task, address, new Uint8Array(length)) ? length : -E.EFAULT;
}

const setThreadArea: Syscall = (c) => {
  const index = allocateTlsEntry(c.k, c.task, c.arg(0));
  if (index < 0) return index;
  c.k.arch.loadTls(c.k, c.cpu, c.task);
  refreshSegments(c, index * 8 + 3);
  return 0;
};

/** A changed descriptor counts at once in the registers that hold its selector (do_set_thread_area reloads them). */
function refreshSegments(c: SyscallContext, selector: number): void {
  for (const name of ["ds", "es", "fs", "gs"] as const) {
    if (c.k.arch.userSegment(c.k, c.cpu, c.regs, name) === selector)
      c.k.arch.setUserSegment(c.k, c.cpu, c.regs, name, selector);
  }
}

const getThreadArea: Syscall = (c) => {
  const bytes = copyFromUser(c.k, c.task, c.addr(0), USER_DESC.size);
  if (bytes === undefined) return -E.EFAULT;
  const entry = getTlsEntry(c.k, c.task, decodeUserDesc(bytes).entryNumber | 0);
  if (typeof entry === "number") return entry;
  return copyToUser(c.k, c.task, c.addr(0), entry) ? 0 : -E.EFAULT;
};

const shared: SyscallGroup = {
  modify_ldt: modifyLdt,
  ioperm: (c) => ioperm(c.k, c.cpu, c.task, c.addr(0), c.addr(1), c.int(2) !== 0),
  iopl: (c) => iopl(c.k, c.cpu, c.task, c.uint(0)),
};
export const SEGMENT_CALLS_64: SyscallGroup = { ...shared, arch_prctl: archPrctl64 };
export const SEGMENT_CALLS_32: SyscallGroup = {
  ...shared,
  arch_prctl: archPrctl32,
  set_thread_area: setThreadArea,
  get_thread_area: getThreadArea,
};
