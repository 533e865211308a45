/**
 * The sandboxed root: files by absolute path, held in `state.files`. A directory is a name that ends in a slash, or that files lie
 * under. A file without a name that is still open has a key that no path can be.
 */
import { E } from "../abi/errno.ts";
import { programBytes } from "../exec/program-file.ts";
import type { Kernel } from "../kernel.ts";
import type { OpenFile, Task } from "../state.ts";
import { procFile } from "../syscall/proc.ts";
import { heldFiles } from "./fdtable.ts";
import { forgetInode, moveInode } from "./inodes.ts";

export const DEVICES: readonly string[] = ["/dev/null", "/dev/zero"];

export type Node =
  | { readonly kind: "file"; readonly size: number }
  | { readonly kind: "dir" }
  | { readonly kind: "stream" };

const EMPTY = new Uint8Array(0);
const ORPHAN = "deleted:";
const under = (path: string): string => (path === "/" ? "/" : `${path}/`);
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

const isDirectory = (k: Kernel, path: string): boolean =>
  path === "/" || Object.keys(k.state.files).some((name) => name.startsWith(under(path)));

/** What is made up for the reader: files of /proc, and the program itself where it is no file of the root. */
export const contentsOf = (k: Kernel, task: Task, path: string): Uint8Array | undefined =>
  procFile(k, task, path) ?? (k.state.files[path] === undefined ? programBytes(k, path) : undefined);

/** What a path names; ENOTDIR where it leads through a file, else ENOENT where there is nothing. */
export function look(k: Kernel, task: Task, path: string): Node | number {
  if (DEVICES.includes(path)) return { kind: "stream" };
  const file = k.state.files[path] ?? contentsOf(k, task, path);
  if (file !== undefined) return { kind: "file", size: file.length };
  if (path !== "" && isDirectory(k, path)) return { kind: "dir" };
  for (let above = parentOf(path); above !== "/"; above = parentOf(above))
    if (k.state.files[above] !== undefined) return -E.ENOTDIR;
  return -E.ENOENT;
}

/** 0, or why no name can be made in the directory that `path` would lie in. */
export function lookParent(k: Kernel, task: Task, path: string): number {
  const parent = look(k, task, parentOf(path));
  if (typeof parent === "number") return parent;
  return parent.kind === "dir" ? 0 : -E.ENOTDIR;
}

export interface Entry {
  readonly name: string;
  readonly kind: "file" | "dir";
}

/** What a directory holds, in the order of making; without "." and "..". */
export function entries(k: Kernel, directory: string): Entry[] {
  const prefix = under(directory);
  const found = new Map<string, Entry>();
  for (const path of Object.keys(k.state.files)) {
    if (!path.startsWith(prefix) || path === prefix) continue;
    const rest = path.slice(prefix.length);
    const slash = rest.indexOf("/");
    const name = slash < 0 ? rest : rest.slice(0, slash);
    found.set(name, { name, kind: slash < 0 ? "file" : "dir" });
  }
  return [...found.values()];
}

/** What all files of the root may hold together. */
export const ROOT_BYTES = 256 * 2 ** 20;

/** A file's bytes, of which the root keeps the sum. */
function setBytes(k: Kernel, path: string, bytes: Uint8Array): void {
  k.state.rootBytes += bytes.length - (k.state.files[path]?.length ?? 0);
  k.state.files[path] = bytes;
}
function forget(k: Kernel, path: string): void {
  k.state.rootBytes -= k.state.files[path]?.length ?? 0;
  delete k.state.files[path];
  forgetInode(k, path);
}

/** Makes a file `length` bytes long, of zeros where it grows; false = the root has no room for that. It may be written then. */
export function resizeFile(k: Kernel, path: string, length: number): boolean {
  const old = k.state.files[path] ?? EMPTY;
  if (length > old.length && k.state.rootBytes - old.length + length > ROOT_BYTES) return false;
  setBytes(k, path, resized(k, old, length));
  return true;
}

/** The bytes in place where nobody else may see them, else a copy, with room for a file that grows and grows. */
function resized(k: Kernel, old: Uint8Array, length: number): Uint8Array {
  if (k.ownBuffers.has(old.buffer) && length <= old.buffer.byteLength) {
    if (length < old.length) old.fill(0, length);
    return new Uint8Array(old.buffer, 0, length);
  }
  const room = length > old.length && old.length > 0 ? Math.min(length + (length >> 1), ROOT_BYTES) : length;
  const bytes = new Uint8Array(new ArrayBuffer(room), 0, length);
  bytes.set(old.subarray(0, length));
  k.ownBuffers.add(bytes.buffer);
  return bytes;
}

/** Writes into a file, which grows as it must; false = there is no room. */
export function writeFile(k: Kernel, path: string, position: number, bytes: Uint8Array): boolean {
  const length = k.state.files[path]?.length ?? 0;
  if (!resizeFile(k, path, Math.max(length, position + bytes.length))) return false;
  k.state.files[path]!.set(bytes, position);
  return true;
}

export function makeDirectory(k: Kernel, path: string): void {
  k.state.files[under(path)] = EMPTY;
}
export function removeDirectory(k: Kernel, path: string): void {
  delete k.state.files[under(path)];
  forgetInode(k, path);
}

/** The directory outlives the last file that lay in it. */
function keepParent(k: Kernel, path: string): void {
  if (parentOf(path) !== "/") k.state.files[under(parentOf(path))] ??= EMPTY;
}

/** The file at `from` gets another key, under which its descriptors find it. */
function rekey(k: Kernel, from: string, to: string): void {
  k.state.files[to] = k.state.files[from]!;
  delete k.state.files[from];
  moveInode(k, from, to);
  for (const file of heldFiles(k)) if (file.path === from) file.path = to;
}

/** Takes a file's name away; what descriptors still refer to stays until the last is closed. */
export function unlinkFile(k: Kernel, path: string): void {
  keepParent(k, path);
  if (heldFiles(k).some((file) => file.path === path)) rekey(k, path, `${ORPHAN}${k.state.nextId++}`);
  else forget(k, path);
}

/** A new, empty file without a name: the key under which a descriptor finds it. */
export function namelessFile(k: Kernel): string {
  const path = `${ORPHAN}${k.state.nextId++}`;
  k.state.files[path] = EMPTY;
  return path;
}

/** Descriptors were closed: files without a name that nobody has any more are gone. */
export function forgetOrphans(k: Kernel, closed: readonly OpenFile[]): void {
  for (const { path } of closed)
    if (path.startsWith(ORPHAN) && !heldFiles(k).some((file) => file.path === path)) forget(k, path);
}

/** Gives a file or a whole directory another name; what was a file or an empty directory there is gone. */
export function moveFiles(k: Kernel, from: string, to: string): void {
  keepParent(k, from);
  if (k.state.files[from] !== undefined) {
    if (k.state.files[to] !== undefined) unlinkFile(k, to);
    rekey(k, from, to);
    return;
  }
  makeDirectory(k, to);
  for (const path of Object.keys(k.state.files))
    if (path.startsWith(under(from))) rekey(k, path, under(to) + path.slice(under(from).length));
}
