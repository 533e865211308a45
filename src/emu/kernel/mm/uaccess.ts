/**
 * copy_from_user and its kind. The copy itself is guest code (entry/usercopy_64.S), with page faults and interrupts as they come: an
 * up-call that needs one says so in task_struct and is made again when it is done (steps.ts). undefined or false is EFAULT.
 */
import type { Addr } from "../../cpu/state.ts";
import { E } from "../abi/errno.ts";
import type { Fields, Struct, View } from "../abi/struct.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../state.ts";
import { type CopyFunction, type CopyStep, type UpcallRun, UserCopyRequest } from "../steps.ts";
import { accessOk, bytesOf, concat, readDirect, readStringDirect, wordOf, writeDirect } from "./direct.ts";

/** The up-call at work, if it is one that can wait for the guest, and about its own task. */
const guestRun = (k: Kernel, task: Task): UpcallRun | undefined => (k.run?.task === task ? k.run : undefined);

/** Where the copies' kernel side is. */
const bufferOf = (k: Kernel, task: Task): Addr => task.address + k.layout.userCopy.buffer.offset;

/** Reads user memory; what came of it is in the step. */
const IN = (fn: CopyFunction): boolean => fn.startsWith("get_") || fn.endsWith("_from_user");

/** The copy, as far as it could be made. @param out what goes to user memory */
function copy(k: Kernel, run: UpcallRun, fn: CopyFunction, user: Addr, size: number, out?: Uint8Array): CopyStep {
  const step = run.copy(fn, user, size);
  if (step.asked > 0) take(k, run, step);
  if (step.done === size) step.finished = true;
  if (!step.finished) ask(k, run, step, out);
  return step;
}

/** The guest has made the part that it was asked for. */
function take(k: Kernel, { cpu, task }: UpcallRun, step: CopyStep): void {
  const left = Number(k.memory.readField(task.address, k.layout.userCopy.fields.left) & 0xffff_ffffn) | 0;
  const isString = step.function === "strncpy_from_user";
  const moved = isString ? left : step.asked - left;
  if (moved < step.asked) step.finished = true;
  // a string that cannot be read to its end is none
  step.done = moved < 0 ? moved : step.done + moved;
  if (moved > 0 && IN(step.function)) step.parts.push(k.memory.read(bufferOf(k, task), moved));
  step.asked = 0;
  const ends = step.finished || step.done === step.size;
  if (ends) k.timeline.userCopy(cpu, step.function, step.user, step.size, step.done);
}

/** What clear_user does in one go: the guest's loop counts in 32 bits. */
const MOST = 2 ** 30;

/** Says in task_struct what is to be copied next. */
function ask(k: Kernel, { task }: UpcallRun, step: CopyStep, out: Uint8Array | undefined): never {
  const { fields, buffer } = k.layout.userCopy;
  const most = step.function === "clear_user" ? MOST : buffer.size;
  const part = Math.min(step.size - step.done, most);
  const kernel = bufferOf(k, task);
  const user = step.user + step.done;
  if (out !== undefined) k.memory.write(kernel, out.subarray(step.done, step.done + part));
  const isIn = IN(step.function);
  const words = {
    function: k.symbol(step.function),
    to: isIn ? kernel : user,
    from: isIn ? user : kernel,
    size: part,
    // whoever skips the copy has copied nothing
    left: step.function === "strncpy_from_user" ? -E.EFAULT : part,
  };
  for (const name of ["function", "to", "from", "size", "left"] as const)
    k.memory.writeField(task.address, fields[name], BigInt(words[name]));
  step.asked = part;
  throw new UserCopyRequest();
}

/** How much of a range could be read: the bytes, possibly fewer than asked for. */
export function readUser(k: Kernel, task: Task, addr: Addr, length: number): Uint8Array {
  const run = guestRun(k, task);
  if (run === undefined) return readDirect(k, task, addr, length);
  if (!accessOk(k, addr, length)) return new Uint8Array(0);
  // a copy: the step keeps its own
  return concat(copy(k, run, "raw_copy_from_user", addr, length).parts).slice();
}

export function copyFromUser(k: Kernel, task: Task, addr: Addr, length: number): Uint8Array | undefined {
  const bytes = readUser(k, task, addr, length);
  return bytes.length === length ? bytes : undefined;
}

/** How many bytes could be written: those before a bad page. */
export function writeUser(k: Kernel, task: Task, addr: Addr, bytes: Uint8Array): number {
  const run = guestRun(k, task);
  if (run === undefined) return writeDirect(k, task, addr, bytes);
  if (!accessOk(k, addr, bytes.length)) return 0;
  return copy(k, run, "raw_copy_to_user", addr, bytes.length, bytes).done;
}
export const copyToUser = (k: Kernel, task: Task, addr: Addr, bytes: Uint8Array): boolean =>
  writeUser(k, task, addr, bytes) === bytes.length;

/** How many bytes could be made zero. */
export function clearUser(k: Kernel, task: Task, addr: Addr, length: number): number {
  const run = guestRun(k, task);
  if (run === undefined) return writeDirect(k, task, addr, new Uint8Array(length));
  return accessOk(k, addr, length) ? copy(k, run, "clear_user", addr, length).done : 0;
}

/** A string up to its zero byte, which is not part of the result; "toolong" if there is none within `limit` bytes. */
export function strncpyFromUser(k: Kernel, task: Task, addr: Addr, limit: number): string | "toolong" | undefined {
  const run = guestRun(k, task);
  if (run === undefined) return readStringDirect(k, task, addr, limit);
  if (!accessOk(k, addr, 1)) return undefined;
  // a string that ends at the end of user space may not go on behind it
  const most = Math.min(limit, k.layout.address.taskSizeMax - addr);
  const step = copy(k, run, "strncpy_from_user", addr, most);
  if (step.done < 0 || (step.done === most && most < limit)) return undefined;
  return step.done < limit ? new TextDecoder().decode(concat(step.parts)) : "toolong";
}

export function getStruct<F extends Fields>(k: Kernel, task: Task, addr: Addr, struct: Struct<F>): View<F> | undefined {
  const bytes = copyFromUser(k, task, addr, struct.size);
  return bytes === undefined ? undefined : struct.at(bytes);
}
export const putStruct = <F extends Fields>(k: Kernel, task: Task, addr: Addr, view: View<F>): boolean =>
  copyToUser(k, task, addr, view.bytes.subarray(view.start, view.start + view.struct.size));

/** get_user(). */
export function getWord(k: Kernel, task: Task, addr: Addr, size: 4 | 8): bigint | undefined {
  const run = guestRun(k, task);
  if (!accessOk(k, addr, size)) return undefined;
  const bytes =
    run === undefined ? readDirect(k, task, addr, size) : concat(copy(k, run, `get_user_${size}`, addr, size).parts);
  return bytes.length < size ? undefined : wordOf(bytes, size);
}
/** put_user(). */
export function putWord(k: Kernel, task: Task, addr: Addr, size: 4 | 8, value: bigint | number): boolean {
  const bytes = bytesOf(value, size);
  const run = guestRun(k, task);
  if (run === undefined) return writeDirect(k, task, addr, bytes) === size;
  return accessOk(k, addr, size) && copy(k, run, `put_user_${size}`, addr, size, bytes).done === size;
}
