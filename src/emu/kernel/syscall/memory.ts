/** Address space calls: brk, mmap and its kin. */
import type { Addr } from "../../cpu/state.ts";
import { E } from "../abi/errno.ts";
import { MADV, MAP, MREMAP, PROT } from "../abi/mman.ts";
import { SIG } from "../abi/signal.ts";
import { landingPad } from "../entry/do-syscall.ts";
import { populate } from "../exec/load.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { faultIn } from "../mm/fault.ts";
import { mapRange, moveRange, protectRange, setBrk, unmapRange } from "../mm/mm.ts";
import { copyFromUser } from "../mm/uaccess.ts";
import { findFreeAbove, findFreeBelow, findVma, offsetAt, overlaps, pageAlign } from "../mm/vma.ts";
import { forceSig } from "../signal/send.ts";
import { VM, type Vma } from "../state.ts";
import { fileOf, isStream } from "./io.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

/** MAP_32BIT looks here: 1 GiB above 1 GiB. */
const MAP_32BIT_RANGE = [0x4000_0000, 0x8000_0000] as const;

export const vmFlags = (prot: number): number =>
  ((prot & PROT.PROT_READ) !== 0 ? VM.READ : 0) |
  ((prot & PROT.PROT_WRITE) !== 0 ? VM.WRITE : 0) |
  ((prot & PROT.PROT_EXEC) !== 0 ? VM.EXEC : 0);

/** End of what this call may use: in_32bit_syscall() limits 64-bit programs too, 64-bit calls of 32-bit programs reach all of it. */
function taskSize(c: SyscallContext): Addr {
  if (!c.compat) return c.k.layout.address.taskSizeMax;
  return c.k.arch.bits === 32 ? c.k.layout.address.taskSizeMax : 0xffff_e000;
}

/** get_unmapped_area(): undefined = there is no room. */
function getUnmappedArea(c: SyscallContext, hint: Addr, length: number, flags: number): Addr | undefined {
  const { mm } = c;
  const start = Math.floor(hint / PAGE_SIZE) * PAGE_SIZE;
  const limit = taskSize(c);
  const lowest = Math.max(c.k.layout.address.mmapMinAddr, PAGE_SIZE);
  if (start >= lowest && start + length <= limit && !overlaps(mm, start, start + length)) return start;
  if (!c.compat && (flags & MAP.MAP_32BIT) !== 0) return findFreeAbove(mm, length, ...MAP_32BIT_RANGE);
  const top = c.compat ? mm.mmapCompatBase : Math.max(mm.mmapBase, 0);
  return findFreeBelow(mm, length, top, lowest) ?? findFreeAbove(mm, length, top, limit);
}

/** do_mmap(); the offset is in bytes. */
function mmap(
  c: SyscallContext,
  addr: Addr,
  rawLength: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  const anonymous = (flags & MAP.MAP_ANONYMOUS) !== 0;
  const file = anonymous ? undefined : fileOf(c, fd);
  if (!anonymous && file === undefined) return -E.EBADF;
  if (rawLength === 0 || offset % PAGE_SIZE !== 0) return -E.EINVAL;
  const kind = flags & MAP.MAP_TYPE;
  if (kind !== MAP.MAP_PRIVATE && kind !== MAP.MAP_SHARED && kind !== MAP.MAP_SHARED_VALIDATE) return -E.EINVAL;
  if (file !== undefined && isStream(file) && file.path !== "/dev/zero") return -E.ENODEV;
  const length = pageAlign(rawLength);
  if (length > taskSize(c)) return -E.ENOMEM;
  const fixed = (flags & (MAP.MAP_FIXED | MAP.MAP_FIXED_NOREPLACE)) !== 0;
  const start = fixed ? addr : getUnmappedArea(c, addr, length, flags);
  if (start === undefined) return -E.ENOMEM;
  if (fixed) {
    const error = prepareFixed(c, start, length, flags);
    if (error !== 0) return error;
  }
  const shared = kind === MAP.MAP_PRIVATE ? 0 : VM.SHARED;
  const grows = (flags & MAP.MAP_GROWSDOWN) !== 0 ? VM.GROWSDOWN : 0;
  const vma = {
    start,
    end: start + length,
    flags: vmFlags(prot) | shared | grows,
    ...(file === undefined ? { name: "" } : { name: file.path, offset }),
  };
  const error = mapRange(c.k, c.mm, vma);
  if (error !== 0) return error;
  if (file === undefined) {
    if ((flags & MAP.MAP_POPULATE) !== 0) touchAll(c, vma);
    return start;
  }
  const bytes = (c.k.state.files[file.path] ?? new Uint8Array(0)).subarray(offset, offset + length);
  return populate(c.k, c.mm, start, bytes, vma.flags) ? start : -E.ENOMEM;
}

/** MAP_POPULATE: every page is there before it is touched, as far as there is memory. */
function touchAll(c: SyscallContext, { start, end, flags }: Vma): void {
  for (let at = start; at < end; at += PAGE_SIZE) {
    const result = faultIn(c.k, c.task, c.mm, at, { write: (flags & VM.WRITE) !== 0, exec: false });
    if (result === "oom") forceSig(c.k, c.cpu, c.task, SIG.SIGKILL);
    if (result !== "mapped") return;
  }
}

/** MAP_FIXED takes the place of what is there. */
function prepareFixed(c: SyscallContext, start: Addr, length: number, flags: number): number {
  if (start % PAGE_SIZE !== 0) return -E.EINVAL;
  if (start + length > taskSize(c)) return -E.ENOMEM;
  if (start < c.k.layout.address.mmapMinAddr) return -E.EPERM;
  if ((flags & MAP.MAP_FIXED_NOREPLACE) !== 0) return overlaps(c.mm, start, start + length) ? -E.EEXIST : 0;
  unmapRange(c.k, c.mm, start, start + length);
  return 0;
}

const mmap64: Syscall = (c) => mmap(c, c.addr(0), c.addr(1), c.int(2), c.int(3), c.int(4), c.addr(5));
/** The i386 call with the offset in units of 4096 bytes. */
const mmap2: Syscall = (c) => mmap(c, c.addr(0), c.addr(1), c.int(2), c.int(3), c.int(4), c.addr(5) * 4096);
/** The i386 call with one argument that points to six. */
const oldMmap: Syscall = (c) => {
  const bytes = copyFromUser(c.k, c.task, c.addr(0), 6 * 4);
  if (bytes === undefined) return -E.EFAULT;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [addr, length, prot, flags, fd, offset] = [0, 1, 2, 3, 4, 5].map((i) => view.getUint32(i * 4, true));
  return mmap(c, addr!, length!, prot!, flags!, fd! | 0, offset!);
};

const munmap: Syscall = (c) => {
  const start = c.addr(0);
  const length = pageAlign(c.addr(1));
  if (start % PAGE_SIZE !== 0 || length === 0 || start + length > taskSize(c)) return -E.EINVAL;
  if (cutsSpecial(c, start, start + length)) return -E.EINVAL;
  unmapRange(c.k, c.mm, start, start + length);
  return 0;
};

const mprotect: Syscall = (c) => {
  const start = c.addr(0);
  const length = pageAlign(c.addr(1));
  const prot = c.int(2);
  if (start % PAGE_SIZE !== 0) return -E.EINVAL;
  if (length === 0) return 0;
  if ((prot & ~(PROT.PROT_READ | PROT.PROT_WRITE | PROT.PROT_EXEC | PROT.PROT_SEM)) !== 0) return -E.EINVAL;
  if (start + length > taskSize(c)) return -E.ENOMEM;
  return protectRange(c.k, c.mm, start, start + length, vmFlags(prot));
};

const mremap: Syscall = (c) => {
  const start = c.addr(0);
  const oldLength = pageAlign(c.addr(1));
  const newLength = pageAlign(c.addr(2));
  const flags = c.int(3);
  const fixed = (flags & MREMAP.MREMAP_FIXED) !== 0;
  if ((flags & ~(MREMAP.MREMAP_FIXED | MREMAP.MREMAP_MAYMOVE)) !== 0) return -E.EINVAL;
  if (fixed && (flags & MREMAP.MREMAP_MAYMOVE) === 0) return -E.EINVAL;
  if (start % PAGE_SIZE !== 0 || newLength === 0) return -E.EINVAL;
  if (fixed) return moveFixed(c, start, oldLength, newLength, c.addr(4));
  if (oldLength === 0) return -E.EINVAL;
  const vma = findVma(c.mm, start);
  if (vma === undefined || start + oldLength > vma.end) return -E.EFAULT;
  if (newLength <= oldLength) {
    unmapRange(c.k, c.mm, start + newLength, start + oldLength);
    return start;
  }
  return grow(c, vma, start, oldLength, newLength, (flags & MREMAP.MREMAP_MAYMOVE) !== 0);
};

/** In place where there is room behind, else elsewhere if that is allowed. */
function grow(
  c: SyscallContext,
  vma: Vma,
  start: Addr,
  oldLength: number,
  newLength: number,
  mayMove: boolean,
): number {
  const from = start + oldLength;
  const to = start + newLength;
  if (from === vma.end && !overlaps(c.mm, from, to) && to <= taskSize(c)) {
    const error = mapRange(c.k, c.mm, {
      start: from,
      end: to,
      flags: vma.flags & ~VM.ACCOUNT,
      name: vma.name,
      ...offsetAt(vma, from),
    });
    return error === 0 ? start : error;
  }
  if (!mayMove) return -E.ENOMEM;
  const target = getUnmappedArea(c, 0, newLength, 0);
  return target === undefined ? -E.ENOMEM : moveRange(c.k, c.mm, start, oldLength, newLength, target);
}

/** mremap_to(). */
function moveFixed(c: SyscallContext, start: Addr, oldLength: number, newLength: number, target: Addr): number {
  if (target % PAGE_SIZE !== 0 || target + newLength > taskSize(c)) return -E.EINVAL;
  if (target < start + oldLength && start < target + newLength) return -E.EINVAL;
  const vma = findVma(c.mm, start);
  if (vma === undefined || start + oldLength > vma.end) return -E.EFAULT;
  if (cutsSpecial(c, start, start + oldLength)) return -E.EINVAL;
  const error = prepareFixed(c, target, newLength, 0);
  if (error !== 0) return error;
  const pad = landingPad(c.k, c.task);
  const moved = moveRange(c.k, c.mm, start, oldLength, newLength, target);
  // vdso_fix_landing(): this call itself may be on its way back to the image's old place
  if (c.compat && c.regs.ip === pad) c.regs.set("ip", landingPad(c.k, c.task));
  return moved;
}

/** special_mapping_split(): the vDSO and its data are mapped and moved whole. */
const cutsSpecial = (c: SyscallContext, start: Addr, end: Addr): boolean =>
  c.mm.vmas.some(
    (v) => (v.flags & VM.SPECIAL) !== 0 && ((v.start < start && start < v.end) || (v.start < end && end < v.end)),
  );

/** Advice is taken where it changes what a program sees: MADV_DONTNEED drops the pages. */
const madvise: Syscall = (c) => {
  const start = c.addr(0);
  const length = pageAlign(c.addr(1));
  if (start % PAGE_SIZE !== 0) return -E.EINVAL;
  if (c.int(2) !== MADV.MADV_DONTNEED) return 0;
  for (const vma of c.mm.vmas.filter(
    (v) => v.start < start + length && start < v.end && (v.flags & VM.SPECIAL) === 0,
  )) {
    const from = Math.max(vma.start, start);
    const to = Math.min(vma.end, start + length);
    const copy = { start: from, end: to, flags: vma.flags & ~VM.ACCOUNT, name: vma.name, ...offsetAt(vma, from) };
    unmapRange(c.k, c.mm, from, to);
    mapRange(c.k, c.mm, copy);
  }
  return 0;
};

const brk: Syscall = (c) => setBrk(c.k, c.mm, c.addr(0));

const shared: SyscallGroup = { brk, munmap, mprotect, mremap, madvise };
export const MEMORY_CALLS_64: SyscallGroup = { ...shared, mmap: mmap64 };
export const MEMORY_CALLS_32: SyscallGroup = { ...shared, mmap: oldMmap, mmap2 };
