/** Ids and capabilities (kernel/sys.c, capability.c). The old i386 calls have 16-bit ids, where -1 is 0xffff. */
import { E } from "../abi/errno.ts";
import { struct, u32 } from "../abi/struct.ts";
import { copyFromUser, copyToUser, getStruct, putStruct, putWord } from "../mm/uaccess.ts";
import type { Task } from "../state.ts";
import { CAP, type Cred, capable, fixCapabilities } from "../task/cred.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

/** The id in an argument, undefined = -1, "leave it". */
type ReadId = (c: SyscallContext, i: number) => number | undefined;
const id32: ReadId = (c, i) => (c.int(i) === -1 ? undefined : c.uint(i));
const id16: ReadId = (c, i) => ((c.uint(i) & 0xffff) === 0xffff ? undefined : c.uint(i) & 0xffff);

type Ids = readonly ["uid", "euid", "suid", "fsuid"] | readonly ["gid", "egid", "sgid", "fsgid"];
const USER: Ids = ["uid", "euid", "suid", "fsuid"];
const GROUP: Ids = ["gid", "egid", "sgid", "fsgid"];
const powerOver = (ids: Ids): number => (ids === USER ? CAP.SETUID : CAP.SETGID);

/** commit_creds(). */
function commit(c: SyscallContext, change: Partial<Cred>): number {
  const old = c.task.cred;
  c.task.cred = { ...old, ...change };
  fixCapabilities(c.task.cred, old);
  if (c.task.pid === c.task.tgid) c.process.uid = c.task.cred.uid;
  return 0;
}

/** setuid, setgid: with the capability all ids, else the effective one only, to the real or saved one. */
const setId =
  (ids: Ids, read: ReadId): Syscall =>
  (c) => {
    const id = read(c, 0);
    if (id === undefined) return -E.EINVAL;
    const [real, effective, saved, fs] = ids;
    const { cred } = c.task;
    if (capable(c.task, powerOver(ids))) return commit(c, { [real]: id, [effective]: id, [saved]: id, [fs]: id });
    if (id !== cred[real] && id !== cred[saved]) return -E.EPERM;
    return commit(c, { [effective]: id, [fs]: id });
  };

/** setreuid, setregid. */
const setReId =
  (ids: Ids, read: ReadId): Syscall =>
  (c) => {
    const [real, effective, saved, fs] = ids;
    const { cred } = c.task;
    const [newReal, newEffective] = [read(c, 0), read(c, 1)];
    const allowed = (id: number | undefined, ...among: number[]) =>
      id === undefined || among.includes(id) || capable(c.task, powerOver(ids));
    if (!allowed(newReal, cred[real], cred[effective])) return -E.EPERM;
    if (!allowed(newEffective, cred[real], cred[effective], cred[saved])) return -E.EPERM;
    const to = newEffective ?? cred[effective];
    const keepsSaved = newReal === undefined && (newEffective === undefined || newEffective === cred[real]);
    return commit(c, {
      [real]: newReal ?? cred[real],
      [effective]: to,
      [fs]: to,
      ...(keepsSaved ? {} : { [saved]: to }),
    });
  };

/** setresuid, setresgid. */
const setResId =
  (ids: Ids, read: ReadId): Syscall =>
  (c) => {
    const [real, effective, saved, fs] = ids;
    const { cred } = c.task;
    const wanted = [0, 1, 2].map((i) => read(c, i));
    const present = [cred[real], cred[effective], cred[saved]];
    const free = capable(c.task, powerOver(ids));
    if (!free && wanted.some((id) => id !== undefined && !present.includes(id))) return -E.EPERM;
    const [toReal, toEffective, toSaved] = wanted.map((id, i) => id ?? present[i]!) as [number, number, number];
    return commit(c, { [real]: toReal, [effective]: toEffective, [saved]: toSaved, [fs]: toEffective });
  };

/** setfsuid, setfsgid: the old one, whether or not it was changed. */
const setFsId =
  (ids: Ids, read: ReadId): Syscall =>
  (c) => {
    const [real, effective, saved, fs] = ids;
    const { cred } = c.task;
    const id = read(c, 0);
    const may = [cred[real], cred[effective], cred[saved], cred[fs]];
    if (id !== undefined && (may.includes(id) || capable(c.task, powerOver(ids)))) c.task.cred = { ...cred, [fs]: id };
    return cred[fs];
  };

const getResId =
  (ids: Ids, size: 2 | 4): Syscall =>
  (c) => {
    for (const i of [0, 1, 2] as const) {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, c.task.cred[ids[i]], true);
      if (!copyToUser(c.k, c.task, c.addr(i), bytes.subarray(0, size))) return -E.EFAULT;
    }
    return 0;
  };

const NGROUPS_MAX = 65536;
const getGroups =
  (size: 2 | 4): Syscall =>
  (c) => {
    const { groups } = c.task.cred;
    if (c.int(0) < 0 || (c.int(0) > 0 && c.int(0) < groups.length)) return -E.EINVAL;
    if (c.int(0) === 0) return groups.length;
    const bytes = new Uint8Array(groups.length * size);
    const view = new DataView(bytes.buffer);
    groups.forEach((group, i) => {
      if (size === 4) view.setUint32(i * 4, group, true);
      else view.setUint16(i * 2, group, true);
    });
    return copyToUser(c.k, c.task, c.addr(1), bytes) ? groups.length : -E.EFAULT;
  };
const setGroups =
  (size: 2 | 4): Syscall =>
  (c) => {
    if (!capable(c.task, CAP.SETGID)) return -E.EPERM;
    if (c.uint(0) > NGROUPS_MAX) return -E.EINVAL;
    const bytes = copyFromUser(c.k, c.task, c.addr(1), c.uint(0) * size);
    if (bytes === undefined) return -E.EFAULT;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const groups = Array.from({ length: c.uint(0) }, (_, i) =>
      size === 4 ? view.getUint32(i * 4, true) : view.getUint16(i * 2, true),
    );
    c.task.cred = { ...c.task.cred, groups };
    return 0;
  };

const CAP_HEADER = struct({ version: u32, pid: u32 });
const CAP_DATA = struct({ effective: u32, permitted: u32, inheritable: u32 });
/** Versions of the interface, and how many data structures each has. */
const CAP_VERSIONS: ReadonlyMap<number, number> = new Map([
  [0x1998_0330, 1],
  [0x2007_1026, 2],
  [0x2008_0522, 2],
]);
const CAP_LATEST = 0x2008_0522;

/** cap_validate_magic() and the task meant; or what the call gives. */
function capTarget(c: SyscallContext): { readonly task: Task; readonly count: number } | number {
  const header = getStruct(c.k, c.task, c.addr(0), CAP_HEADER);
  if (header === undefined) return -E.EFAULT;
  const count = CAP_VERSIONS.get(header.get("version"));
  if (count === undefined) {
    if (!putWord(c.k, c.task, c.addr(0), 4, CAP_LATEST)) return -E.EFAULT;
    return c.addr(1) === 0 ? 0 : -E.EINVAL;
  }
  const pid = header.get("pid") | 0;
  const task = pid === 0 ? c.task : c.k.state.tasks.find((t) => t.pid === pid && !t.dead && !t.idle);
  if (pid < 0) return -E.EINVAL;
  return task === undefined ? -E.ESRCH : { task, count };
}

const SETS = ["effective", "permitted", "inheritable"] as const;
const capget: Syscall = (c) => {
  const target = capTarget(c);
  if (typeof target === "number") return target;
  if (c.addr(1) === 0) return 0;
  for (let i = 0; i < target.count; i++) {
    const view = CAP_DATA.make();
    for (const set of SETS) view.set(set, (target.task.cred[set] >> BigInt(32 * i)) & 0xffff_ffffn);
    if (!putStruct(c.k, c.task, c.addr(1) + i * CAP_DATA.size, view)) return -E.EFAULT;
  }
  return 0;
};
const capset: Syscall = (c) => {
  const target = capTarget(c);
  if (typeof target === "number") return target;
  if (target.task !== c.task) return -E.EPERM;
  const wanted = { effective: 0n, permitted: 0n, inheritable: 0n };
  for (let i = 0; i < target.count; i++) {
    const view = getStruct(c.k, c.task, c.addr(1) + i * CAP_DATA.size, CAP_DATA);
    if (view === undefined) return -E.EFAULT;
    for (const set of SETS) wanted[set] |= view.big(set) << BigInt(32 * i);
  }
  const { cred } = c.task;
  const within = (set: bigint, of: bigint) => (set & ~of) === 0n;
  const inheritable = capable(c.task, CAP.SETPCAP) || within(wanted.inheritable, cred.inheritable | cred.permitted);
  if (!within(wanted.permitted, cred.permitted) || !within(wanted.effective, wanted.permitted) || !inheritable)
    return -E.EPERM;
  c.task.cred = { ...cred, ...wanted };
  return 0;
};

const get =
  (name: "uid" | "euid" | "gid" | "egid"): Syscall =>
  (c) =>
    c.task.cred[name];

const shared: SyscallGroup = {
  getuid: get("uid"),
  geteuid: get("euid"),
  getgid: get("gid"),
  getegid: get("egid"),
  capget,
  capset,
};
/** The calls of one width of ids; `suffix` is what i386 calls the wide ones. */
const family = (read: ReadId, size: 2 | 4, suffix: "" | "32"): SyscallGroup => ({
  [`setuid${suffix}`]: setId(USER, read),
  [`setgid${suffix}`]: setId(GROUP, read),
  [`setreuid${suffix}`]: setReId(USER, read),
  [`setregid${suffix}`]: setReId(GROUP, read),
  [`setresuid${suffix}`]: setResId(USER, read),
  [`setresgid${suffix}`]: setResId(GROUP, read),
  [`getresuid${suffix}`]: getResId(USER, size),
  [`getresgid${suffix}`]: getResId(GROUP, size),
  [`setfsuid${suffix}`]: setFsId(USER, read),
  [`setfsgid${suffix}`]: setFsId(GROUP, read),
  [`getgroups${suffix}`]: getGroups(size),
  [`setgroups${suffix}`]: setGroups(size),
});
export const CRED_CALLS_64: SyscallGroup = { ...shared, ...family(id32, 4, "") };
export const CRED_CALLS_32: SyscallGroup = {
  ...shared,
  ...family(id16, 2, ""),
  ...family(id32, 4, "32"),
  getuid32: get("uid"),
  geteuid32: get("euid"),
  getgid32: get("gid"),
  getegid32: get("egid"),
};
