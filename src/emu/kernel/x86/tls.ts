/** thread.tls_array: three GDT entries of a task's own, set by set_thread_area and by CLONE_SETTLS of 32-bit callers. */
import { E } from "../abi/errno.ts";
import { decodeUserDesc, encodeUserDesc, fillLdt, ldtEmpty, ldtZero, USER_DESC, type UserDesc } from "../abi/ldt.ts";
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

/** do_set_thread_area() but for the GDT: the entry's number, or a negative error number. A free one is found if -1 asks for it. */
export function allocateTlsEntry(k: Kernel, task: Task, address: bigint): number {
  const bytes = copyFromUser(k, task, Number(address), USER_DESC.size);
  if (bytes === undefined) return -E.EFAULT;
  let index = decodeUserDesc(bytes).entryNumber | 0;
  if (index === -1) {
    const first = k.layout.gdt.TLS_MIN!;
    index = task.tls.indexOf(0n) + first;
    if (!tlsOkay(decodeUserDesc(bytes))) return -E.EINVAL;
    if (index < first) return -E.ESRCH;
    if (!putWord(k, task, Number(address), 4, index)) return -E.EFAULT;
  }
  return setTlsDescriptor(k, task, index, bytes);
}
/** The same where none is allocated: the entry that the user_desc names. */
export const setTlsEntry = (k: Kernel, task: Task, bytes: Uint8Array): number =>
  setTlsDescriptor(k, task, decodeUserDesc(bytes).entryNumber | 0, bytes);

/** set_tls_desc(): entry `index` from a user_desc, whatever number that has. */
export function setTlsDescriptor(k: Kernel, task: Task, index: number, bytes: Uint8Array): number {
  const desc = decodeUserDesc(bytes);
  const first = k.layout.gdt.TLS_MIN!;
  if (!tlsOkay(desc) || index < first || index > k.layout.gdt.TLS_MAX!) return -E.EINVAL;
  task.tls[index - first] = ldtEmpty(desc) || ldtZero(desc) ? 0n : pack(desc);
  return index;
}

/** fill_user_desc(). */
export function unpackTls(entryNumber: number, value: bigint): UserDesc {
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

/** do_get_thread_area(); a negative error number, or the user_desc. */
export function getTlsEntry(k: Kernel, task: Task, index: number): Uint8Array | number {
  const first = k.layout.gdt.TLS_MIN!;
  if (index < first || index > k.layout.gdt.TLS_MAX!) return -E.EINVAL;
  return encodeUserDesc(unpackTls(index, task.tls[index - first]!));
}
