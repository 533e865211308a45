/** Segments and ports of a program's own: modify_ldt, thread-local storage in the GDT, FS and GS bases, and remapping the vDSO. */
import { OFF, SEG, SEG_STRIDE, SEGF } from "../../cpu/layout.ts";
import { E } from "../abi/errno.ts";
import {
  decodeUserDesc,
  encodeUserDesc,
  LDT_ENTRIES,
  LDT_ENTRY_SIZE,
  ldtEmpty,
  USER_DESC,
  type UserDesc,
} from "../abi/ldt.ts";
import { ARCH } from "../abi/prctl.ts";
import { mapVdsoAt } from "../exec/vdso.ts";
import { ioperm, iopl } from "../ioport.ts";
import { copyFromUser, copyToUser, putWord } from "../mm/uaccess.ts";
import { type VdsoKind, vdsoImage } from "../vdso/index.ts";
import { installLdt } from "../x86/ldt.ts";
import { pack, setTlsEntry } from "../x86/tls.ts";
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
  const index = setTlsEntry(c.k, c.task, c.arg(0), true);
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
  const index = decodeUserDesc(bytes).entryNumber | 0;
  const first = c.k.layout.gdt.TLS_MIN!;
  if (index < first || index > c.k.layout.gdt.TLS_MAX!) return -E.EINVAL;
  return copyToUser(c.k, c.task, c.addr(0), encodeUserDesc(unpack(index, c.task.tls[index - first]!))) ? 0 : -E.EFAULT;
};

/** fill_user_desc(). */
function unpack(entryNumber: number, value: bigint): UserDesc {
  const low = Number(value & 0xffff_ffffn);
  const high = Number(value >> 32n);
  const bit = (n: number) => ((high >>> n) & 1) === 1;
  return {
    entryNumber,
    baseAddr: ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0,
    limit: (low & 0xffff) | (high & 0xf0000),
    seg32bit: bit(22),
    contents: (high >>> 10) & 3,
    readExecOnly: !bit(9),
    limitInPages: bit(23),
    segNotPresent: !bit(15),
    useable: bit(20),
    lm: bit(21),
  };
}

const baseOffset = (seg: number): number => OFF.SEG + seg * SEG_STRIDE + SEGF.BASE;
/** The user's GS base rests in MSR_KERNEL_GS_BASE while the kernel runs. */
const GS_BASE = OFF.KERNEL_GS_BASE;
const FS_BASE = baseOffset(SEG.FS);

function setBase(c: SyscallContext, offset: number, name: "fs" | "gs"): number {
  if (c.addr(1) >= c.k.layout.address.taskSizeMax) return -E.EPERM;
  c.k.arch.setUserSegment(c.k, c.cpu, c.regs, name, 0);
  c.cpu.set64(offset, c.arg(1));
  return 0;
}

const VDSO_OF: Readonly<Record<number, VdsoKind | "compat">> = {
  [ARCH.ARCH_MAP_VDSO_32]: "compat",
  [ARCH.ARCH_MAP_VDSO_64]: "64",
};

/** map_vdso_once(): only where no vDSO and no vvar is left. */
function mapVdso(c: SyscallContext, kind: VdsoKind | "compat", addr: number): number {
  if (c.mm.vmas.some((v) => v.name === "[vdso]" || v.name === "[vvar]")) return -E.EEXIST;
  const image = vdsoImage(kind === "compat" ? c.k.arch.vdsoKind(c.k, 32) : kind);
  const at = mapVdsoAt(c.k, c.mm, image, addr);
  return at < 0 ? at : image.bytes.length;
}

const archPrctl64: Syscall = (c) => {
  const option = c.int(0);
  switch (option) {
    case ARCH.ARCH_SET_FS:
      return setBase(c, FS_BASE, "fs");
    case ARCH.ARCH_SET_GS:
      return setBase(c, GS_BASE, "gs");
    case ARCH.ARCH_GET_FS:
      return putWord(c.k, c.task, c.addr(1), 8, c.cpu.get64(FS_BASE)) ? 0 : -E.EFAULT;
    case ARCH.ARCH_GET_GS:
      return putWord(c.k, c.task, c.addr(1), 8, c.cpu.get64(GS_BASE)) ? 0 : -E.EFAULT;
    case ARCH.ARCH_GET_CPUID:
      return 1;
    case ARCH.ARCH_MAP_VDSO_32:
    case ARCH.ARCH_MAP_VDSO_64:
      return mapVdso(c, VDSO_OF[option]!, c.addr(1));
    default:
      return -E.EINVAL;
  }
};
/** The compat call knows only what is not about 64-bit state. */
const archPrctl32: Syscall = (c) => (c.int(0) === ARCH.ARCH_GET_CPUID ? 1 : -E.EINVAL);

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
