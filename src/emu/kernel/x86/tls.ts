/** thread.tls_array: three GDT entries of a task's own, set by set_thread_area and by CLONE_SETTLS of 32-bit callers. */
import { E } from "../abi/errno.ts";
import { decodeUserDesc, fillLdt, ldtEmpty, ldtZero, USER_DESC, type UserDesc } from "../abi/ldt.ts";
import type { Kernel } from "../kernel.ts";
import { copyFromUser, putWord } from "../mm/uaccess.ts";
import type { Task } from "../state.ts";

export const pack = (desc: UserDesc): bigint => {
  const { low, high } = fillLdt(desc);
  return (BigInt(high) << 32n) | BigInt(low);
};

/** The base in a packed segment descriptor. */
export const baseOf = (descriptor: bigint): number =>
  Number(((descriptor >> 16n) & 0xff_ffffn) | ((descriptor >> 32n) & 0xff00_0000n));

/** tls_desc_okay(). */
function tlsOkay(desc: UserDesc): boolean {
  if (ldtEmpty(desc) || ldtZero(desc)) return true;
  return desc.seg32bit && desc.contents <= 1 && !desc.segNotPresent;
}

/** do_set_thread_area() but for the GDT: the entry's number, or a negative error number. */
export function setTlsEntry(k: Kernel, task: Task, address: bigint, allocate = false): number {
  const bytes = copyFromUser(k, task, Number(address), USER_DESC.size);
  if (bytes === undefined) return -E.EFAULT;
  const desc = decodeUserDesc(bytes);
  if (!tlsOkay(desc)) return -E.EINVAL;
  const first = k.layout.gdt.TLS_MIN!;
  let index = desc.entryNumber | 0;
  if (index === -1 && allocate) {
    index = task.tls.indexOf(0n) + first;
    if (index < first) return -E.ESRCH;
    if (!putWord(k, task, Number(address), 4, index)) return -E.EFAULT;
  }
  if (index < first || index > k.layout.gdt.TLS_MAX!) return -E.EINVAL;
  task.tls[index - first] = ldtEmpty(desc) || ldtZero(desc) ? 0n : pack(desc);
  return index;
}
