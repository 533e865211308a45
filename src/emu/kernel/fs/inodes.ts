/** Inode numbers of what has a path: given when somebody first asks, kept when the path changes. */
import type { Kernel } from "../kernel.ts";

export const inodeOf = (k: Kernel, path: string): number => (k.state.inodes[path] ??= k.state.nextId++);

export function moveInode(k: Kernel, from: string, to: string): void {
  const inode = k.state.inodes[from];
  forgetInode(k, from);
  if (inode !== undefined) k.state.inodes[to] = inode;
}

export function forgetInode(k: Kernel, path: string): void {
  delete k.state.inodes[path];
}
