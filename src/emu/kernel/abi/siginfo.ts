/**
 * siginfo_t: one structure with a union whose arm depends on signal and si_code. `Siginfo` is the kernel's own, with every arm's fields;
 * the codecs write and read the arm that Linux would (kernel/signal.c, siginfo_layout). Layouts: uapi/asm-generic/siginfo.h, linux/compat.h.
 */
import { NSIG, SI_CODE, SIG } from "./signal.ts";
import { blob, compat_s64, type Fields, type Struct, s16, s32, s64, struct, u32, u64, type View } from "./struct.ts";

export const SIGINFO_SIZE = 128;
export type SiginfoAbi = "64" | "ia32" | "x32";
export type SiginfoArm =
  | "kill"
  | "timer"
  | "rt"
  | "chld"
  | "fault"
  | "fault_bnderr"
  | "fault_pkuerr"
  | "fault_mcerr"
  | "fault_perf"
  | "poll"
  | "sys";

export interface Siginfo {
  signo: number;
  errno: number;
  code: number;
  pid?: number;
  uid?: number;
  tid?: number;
  overrun?: number;
  /** sigval: pointer or int, zero-extended. */
  value?: bigint;
  status?: number;
  utime?: bigint;
  stime?: bigint;
  addr?: bigint;
  addrLsb?: number;
  lower?: bigint;
  upper?: bigint;
  pkey?: number;
  perfData?: bigint;
  perfType?: number;
  perfFlags?: number;
  band?: bigint;
  fd?: number;
  callAddr?: bigint;
  syscall?: number;
  arch?: number;
}

const header = { si_signo: s32, si_errno: s32, si_code: s32 };
const arm64 = <F extends Fields>(fields: F) => struct({ ...header, pad: blob(4), ...fields }, SIGINFO_SIZE);
const arm32 = <F extends Fields>(fields: F) => struct({ ...header, ...fields }, SIGINFO_SIZE);
const killer = { si_pid: s32, si_uid: u32 };

/** Arms of the native 64-bit siginfo. */
export const SIGINFO_64 = {
  kill: arm64(killer),
  timer: arm64({ si_tid: s32, si_overrun: s32, si_value: u64 }),
  rt: arm64({ ...killer, si_value: u64 }),
  chld: arm64({ ...killer, si_status: s32, si_utime: s64, si_stime: s64 }),
  fault: arm64({ si_addr: u64 }),
  fault_mcerr: arm64({ si_addr: u64, si_addr_lsb: s16 }),
  fault_bnderr: arm64({ si_addr: u64, dummy: blob(8), si_lower: u64, si_upper: u64 }),
  fault_pkuerr: arm64({ si_addr: u64, dummy: blob(8), si_pkey: u32 }),
  fault_perf: arm64({ si_addr: u64, si_perf_data: u64, si_perf_type: u32, si_perf_flags: u32 }),
  poll: arm64({ si_band: s64, si_fd: s32 }),
  sys: arm64({ si_call_addr: u64, si_syscall: s32, si_arch: u32 }),
} as const;

/** Arms of compat_siginfo, which is also the i386 kernel's own. */
export const SIGINFO_32 = {
  kill: arm32(killer),
  timer: arm32({ si_tid: s32, si_overrun: s32, si_value: u32 }),
  rt: arm32({ ...killer, si_value: u32 }),
  chld: arm32({ ...killer, si_status: s32, si_utime: s32, si_stime: s32 }),
  fault: arm32({ si_addr: u32 }),
  fault_mcerr: arm32({ si_addr: u32, si_addr_lsb: s16 }),
  fault_bnderr: arm32({ si_addr: u32, dummy: blob(4), si_lower: u32, si_upper: u32 }),
  fault_pkuerr: arm32({ si_addr: u32, dummy: blob(4), si_pkey: u32 }),
  fault_perf: arm32({ si_addr: u32, si_perf_data: u32, si_perf_type: u32, si_perf_flags: u32 }),
  poll: arm32({ si_band: s32, si_fd: s32 }),
  sys: arm32({ si_call_addr: u32, si_syscall: s32, si_arch: u32 }),
} as const;

/** x32 differs in SIGCHLD's times only: 64 bits wide. */
export const SIGINFO_X32_CHLD = arm32({ ...killer, si_status: s32, si_utime: compat_s64, si_stime: compat_s64 });

const FIELD_OF: Readonly<Record<string, keyof Siginfo>> = {
  si_signo: "signo",
  si_errno: "errno",
  si_code: "code",
  si_pid: "pid",
  si_uid: "uid",
  si_tid: "tid",
  si_overrun: "overrun",
  si_value: "value",
  si_status: "status",
  si_utime: "utime",
  si_stime: "stime",
  si_addr: "addr",
  si_addr_lsb: "addrLsb",
  si_lower: "lower",
  si_upper: "upper",
  si_pkey: "pkey",
  si_perf_data: "perfData",
  si_perf_type: "perfType",
  si_perf_flags: "perfFlags",
  si_band: "band",
  si_fd: "fd",
  si_call_addr: "callAddr",
  si_syscall: "syscall",
  si_arch: "arch",
};
const BIG_FIELDS: ReadonlySet<keyof Siginfo> = new Set([
  "value",
  "utime",
  "stime",
  "addr",
  "lower",
  "upper",
  "perfData",
  "band",
  "callAddr",
]);

/** Highest si_code that has a meaning of its own for a signal, and the arm it selects. */
const SPECIFIC: ReadonlyMap<number, readonly [limit: number, arm: SiginfoArm]> = new Map<
  number,
  readonly [number, SiginfoArm]
>([
  [SIG.SIGILL, [11, "fault"]],
  [SIG.SIGFPE, [15, "fault"]],
  [SIG.SIGSEGV, [9, "fault"]],
  [SIG.SIGBUS, [5, "fault"]],
  [SIG.SIGTRAP, [6, "fault"]],
  [SIG.SIGCHLD, [6, "chld"]],
  [SIG.SIGIO, [6, "poll"]],
  [SIG.SIGSYS, [2, "sys"]],
]);

/** Which arm of the union `signo` with `code` uses (siginfo_layout). */
export function siginfoArm(signo: number, code: number): SiginfoArm {
  if (code > SI_CODE.SI_USER && code < SI_CODE.SI_KERNEL) {
    const specific = SPECIFIC.get(signo);
    if (specific !== undefined && code <= specific[0]) return refine(signo, code, specific[1]);
    return code <= 6 ? "poll" : "kill";
  }
  if (code === SI_CODE.SI_TIMER) return "timer";
  if (code === SI_CODE.SI_SIGIO) return "poll";
  return code < 0 ? "rt" : "kill";
}

function refine(signo: number, code: number, arm: SiginfoArm): SiginfoArm {
  if (signo === SIG.SIGBUS && code >= SI_CODE.BUS_MCEERR_AR) return "fault_mcerr";
  if (signo === SIG.SIGSEGV && code === SI_CODE.SEGV_BNDERR) return "fault_bnderr";
  if (signo === SIG.SIGSEGV && code === SI_CODE.SEGV_PKUERR) return "fault_pkuerr";
  if (signo === SIG.SIGTRAP && code === SI_CODE.TRAP_PERF) return "fault_perf";
  return arm;
}

function layoutOf(abi: SiginfoAbi, arm: SiginfoArm): Struct<Fields> {
  if (abi === "64") return SIGINFO_64[arm] as unknown as Struct<Fields>;
  return (abi === "x32" && arm === "chld" ? SIGINFO_X32_CHLD : SIGINFO_32[arm]) as unknown as Struct<Fields>;
}

const scalarNames = (layout: Struct<Fields>): string[] =>
  [...layout.slots].filter(([, slot]) => slot.type.kind === "scalar").map(([name]) => name);

/** The 128 bytes user space gets. */
export function encodeSiginfo(info: Siginfo, abi: SiginfoAbi): Uint8Array {
  const layout = layoutOf(abi, siginfoArm(info.signo, info.code));
  const view: View<Fields> = layout.make();
  for (const name of scalarNames(layout)) view.set(name, info[FIELD_OF[name]!] ?? 0);
  return view.bytes;
}

/** What user space handed in (rt_sigqueueinfo, ptrace). */
export function decodeSiginfo(bytes: Uint8Array, abi: SiginfoAbi): Siginfo {
  const head = SIGINFO_32.kill.at(bytes);
  const info: Siginfo = { signo: head.get("si_signo"), errno: head.get("si_errno"), code: head.get("si_code") };
  const layout = layoutOf(abi, siginfoArm(info.signo, info.code));
  const view = layout.at(bytes);
  const fields = info as unknown as Record<string, number | bigint>;
  for (const name of scalarNames(layout)) {
    const field = FIELD_OF[name]!;
    fields[field] = BIG_FIELDS.has(field) ? view.big(name) : view.get(name);
  }
  return info;
}

export const isSignal = (nr: number): boolean => nr >= 1 && nr <= NSIG;
