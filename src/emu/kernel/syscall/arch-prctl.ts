/** arch_prctl: FS and GS bases, and remapping the vDSO (kernel/process_64.c). A tracer may ask for another task's bases. */
import { OFF, SEG, SEG_STRIDE, SEGF } from "../../cpu/layout.ts";
import { E } from "../abi/errno.ts";
import { ARCH } from "../abi/prctl.ts";
import { mapVdsoAt, setSysenterReturn } from "../exec/vdso.ts";
import { putWord } from "../mm/uaccess.ts";
import type { Task } from "../state.ts";
import { type VdsoKind, vdsoImage } from "../vdso/index.ts";
import type { Syscall, SyscallContext } from "./types.ts";

/** The user's GS base rests in MSR_KERNEL_GS_BASE while the kernel runs. */
const GS_BASE = OFF.KERNEL_GS_BASE;
const FS_BASE = OFF.SEG + SEG.FS * SEG_STRIDE + SEGF.BASE;

function setBase(c: SyscallContext, task: Task, name: "fs" | "gs", base: bigint): number {
  if (base >= BigInt(c.k.layout.address.taskSizeMax)) return -E.EPERM;
  if (task === c.task) {
    c.k.arch.setUserSegment(c.k, c.cpu, c.regs, name, 0);
    c.cpu.set64(name === "fs" ? FS_BASE : GS_BASE, base);
  } else task.segments = { ...task.segments!, [name]: 0, [name === "fs" ? "fsBase" : "gsBase"]: base };
  return 0;
}

function getBase(c: SyscallContext, task: Task, name: "fs" | "gs", address: number): number {
  const own = task === c.task;
  const { fsBase = 0n, gsBase = 0n } = task.segments ?? {};
  const saved = name === "fs" ? fsBase : gsBase;
  const base = own ? c.cpu.get64(name === "fs" ? FS_BASE : GS_BASE) : saved;
  return putWord(c.k, c.task, address, 8, base) ? 0 : -E.EFAULT;
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
  if (at > 0) setSysenterReturn(c.k, c.task, image, at);
  return at < 0 ? at : image.bytes.length;
}

/** do_arch_prctl_64() and do_arch_prctl_common(). `task` is the caller, or one that it traces. */
export function archPrctlOf(c: SyscallContext, task: Task, option: number, argument: bigint): number {
  switch (option) {
    case ARCH.ARCH_SET_FS:
      return setBase(c, task, "fs", argument);
    case ARCH.ARCH_SET_GS:
      return setBase(c, task, "gs", argument);
    case ARCH.ARCH_GET_FS:
      return getBase(c, task, "fs", Number(argument));
    case ARCH.ARCH_GET_GS:
      return getBase(c, task, "gs", Number(argument));
    case ARCH.ARCH_GET_CPUID:
      return 1;
    case ARCH.ARCH_MAP_VDSO_32:
    case ARCH.ARCH_MAP_VDSO_64:
      return mapVdso(c, VDSO_OF[option]!, Number(argument));
    default:
      return -E.EINVAL;
  }
}

export const archPrctl64: Syscall = (c) => archPrctlOf(c, c.task, c.int(0), c.arg(1));
/** The compat call knows only what is not about 64-bit state. */
export const archPrctl32: Syscall = (c) => (c.int(0) === ARCH.ARCH_GET_CPUID ? 1 : -E.EINVAL);
