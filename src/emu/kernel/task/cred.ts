/** Who a task is (struct cred): user and group ids, and the capabilities that a change of user ids takes away or brings back. */
import type { Task } from "../state.ts";

export interface Cred {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  groups: number[];
  /** Capability sets, a bit each. */
  permitted: bigint;
  effective: bigint;
  inheritable: bigint;
  /** PR_SET_KEEPCAPS. */
  keepCaps: boolean;
}

export const CAP = {
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  SYS_RAWIO: 17,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_RESOURCE: 24,
} as const;
const CAP_LAST = 40;
const ALL_CAPS = (1n << BigInt(CAP_LAST + 1)) - 1n;
export const ROOT = 0;

/** Programs begin as root with all capabilities, as in a container that is theirs alone. */
export const rootCred = (): Cred => ({
  uid: ROOT,
  euid: ROOT,
  suid: ROOT,
  fsuid: ROOT,
  gid: ROOT,
  egid: ROOT,
  sgid: ROOT,
  fsgid: ROOT,
  groups: [],
  permitted: ALL_CAPS,
  effective: ALL_CAPS,
  inheritable: 0n,
  keepCaps: false,
});

/** capable(). */
export const capable = (task: Task, cap: number): boolean => ((task.cred.effective >> BigInt(cap)) & 1n) === 1n;

/** cap_emulate_setxuid(): root's ids carry the capabilities with them. `old` is the state before the change. */
export function fixCapabilities(cred: Cred, old: Readonly<Cred>): void {
  const wasRoot = old.uid === ROOT || old.euid === ROOT || old.suid === ROOT;
  const isRoot = cred.uid === ROOT || cred.euid === ROOT || cred.suid === ROOT;
  if (wasRoot && !isRoot && !cred.keepCaps) {
    cred.permitted = 0n;
    cred.effective = 0n;
  }
  if (old.euid === ROOT && cred.euid !== ROOT) cred.effective = 0n;
  if (old.euid !== ROOT && cred.euid === ROOT) cred.effective = cred.permitted;
}

/** What execve makes of the capabilities (cap_bprm_creds_from_file() for a file without any of its own). */
export function credForExec(cred: Cred): Cred {
  const root = cred.uid === ROOT || cred.euid === ROOT;
  const permitted = root ? ALL_CAPS : 0n;
  return {
    ...cred,
    suid: cred.euid,
    fsuid: cred.euid,
    sgid: cred.egid,
    fsgid: cred.egid,
    permitted,
    effective: cred.euid === ROOT ? permitted : 0n,
    keepCaps: false,
  };
}
