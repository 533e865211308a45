/**
 * Signal numbers, action flags, si_codes and default actions. Sources: uapi/asm/signal.h, uapi/asm-generic/signal-defs.h, siginfo.h, and
 * for the kernel's own flags asm/signal.h and linux/signal.h.
 */
import { compat_u64, s32, struct, u32, u64 } from "./struct.ts";

// biome-ignore format: a table
export const SIG = {
  SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGUSR1: 10, SIGSEGV: 11,
  SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15, SIGSTKFLT: 16, SIGCHLD: 17, SIGCONT: 18, SIGSTOP: 19, SIGTSTP: 20, SIGTTIN: 21,
  SIGTTOU: 22, SIGURG: 23, SIGXCPU: 24, SIGXFSZ: 25, SIGVTALRM: 26, SIGPROF: 27, SIGWINCH: 28, SIGIO: 29, SIGPWR: 30, SIGSYS: 31,
} as const;
export type SignalName = keyof typeof SIG;
/** First real-time signal as the kernel counts (libc keeps two or three for itself), and the last signal. */
export const SIGRTMIN = 32;
export const NSIG = 64;

const names = new Map<number, string>(Object.entries(SIG).map(([name, nr]) => [nr, name]));
/** "SIGSEGV", "SIGRTMIN+2"; a bare number for what is no signal. */
export const signalName = (nr: number): string =>
  names.get(nr) ??
  (nr >= SIGRTMIN && nr <= NSIG ? `SIGRTMIN${nr === SIGRTMIN ? "" : `+${nr - SIGRTMIN}`}` : String(nr));
/** Accepts "SIGALRM", "ALRM", "SIGRTMIN+2" and numbers. */
export function signalNumber(name: string): number | undefined {
  const full = /^\d+$|^SIG/.test(name) ? name : `SIG${name}`;
  const realTime = /^SIGRTMIN(?:\+(\d+))?$/.exec(full);
  const nr = realTime ? SIGRTMIN + Number(realTime[1] ?? 0) : ((SIG as Record<string, number>)[full] ?? Number(full));
  return nr >= 1 && nr <= NSIG ? nr : undefined;
}

export type DefaultAction = "terminate" | "core" | "ignore" | "stop" | "continue";
const set = (...list: SignalName[]): ReadonlySet<number> => new Set(list.map((name) => SIG[name]));
const core = set(
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGFPE",
  "SIGSEGV",
  "SIGBUS",
  "SIGSYS",
  "SIGXCPU",
  "SIGXFSZ",
);
const ignored = set("SIGCHLD", "SIGURG", "SIGWINCH");
const stopping = set("SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU");
export function defaultAction(nr: number): DefaultAction {
  if (core.has(nr)) return "core";
  if (ignored.has(nr)) return "ignore";
  if (stopping.has(nr)) return "stop";
  return nr === SIG.SIGCONT ? "continue" : "terminate";
}
/** Signals that a faulting instruction raises: dequeued before all others (SYNCHRONOUS_MASK). */
export const SYNCHRONOUS = set("SIGSEGV", "SIGBUS", "SIGILL", "SIGTRAP", "SIGFPE", "SIGSYS");

export const SA = {
  SA_NOCLDSTOP: 0x1,
  SA_NOCLDWAIT: 0x2,
  SA_SIGINFO: 0x4,
  SA_UNSUPPORTED: 0x400,
  SA_EXPOSE_TAGBITS: 0x800,
  /** Internal: may no longer be changed. */
  SA_IMMUTABLE: 0x00800000,
  /** Internal: the handler was installed by a 32-bit (or x32) system call, so its frame is of that kind. */
  SA_IA32_ABI: 0x02000000,
  SA_X32_ABI: 0x01000000,
  SA_RESTORER: 0x04000000,
  SA_ONSTACK: 0x08000000,
  SA_RESTART: 0x10000000,
  SA_NODEFER: 0x40000000,
  SA_RESETHAND: 0x80000000,
} as const;
/** Flags user space may set and read back (UAPI_SA_FLAGS); the kernel clears all others on rt_sigaction. */
export const UAPI_SA_FLAGS =
  (SA.SA_NOCLDSTOP |
    SA.SA_NOCLDWAIT |
    SA.SA_SIGINFO |
    SA.SA_EXPOSE_TAGBITS |
    SA.SA_RESTORER |
    SA.SA_ONSTACK |
    SA.SA_RESTART |
    SA.SA_NODEFER |
    SA.SA_RESETHAND) >>>
  0;
export const SIG_DFL = 0;
export const SIG_IGN = 1;
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x80000000;
export const MINSIGSTKSZ = 2048;

// biome-ignore format: a table
export const SI_CODE = {
  SI_USER: 0, SI_KERNEL: 0x80, SI_QUEUE: -1, SI_TIMER: -2, SI_MESGQ: -3, SI_ASYNCIO: -4, SI_SIGIO: -5, SI_TKILL: -6,
  ILL_ILLOPC: 1, ILL_ILLOPN: 2, ILL_ILLADR: 3, ILL_ILLTRP: 4, ILL_PRVOPC: 5, ILL_PRVREG: 6, ILL_COPROC: 7, ILL_BADSTK: 8,
  FPE_INTDIV: 1, FPE_INTOVF: 2, FPE_FLTDIV: 3, FPE_FLTOVF: 4, FPE_FLTUND: 5, FPE_FLTRES: 6, FPE_FLTINV: 7, FPE_FLTSUB: 8, FPE_FLTUNK: 14,
  SEGV_MAPERR: 1, SEGV_ACCERR: 2, SEGV_BNDERR: 3, SEGV_PKUERR: 4,
  BUS_ADRALN: 1, BUS_ADRERR: 2, BUS_OBJERR: 3, BUS_MCEERR_AR: 4, BUS_MCEERR_AO: 5,
  TRAP_BRKPT: 1, TRAP_TRACE: 2, TRAP_BRANCH: 3, TRAP_HWBKPT: 4, TRAP_UNK: 5, TRAP_PERF: 6,
  CLD_EXITED: 1, CLD_KILLED: 2, CLD_DUMPED: 3, CLD_TRAPPED: 4, CLD_STOPPED: 5, CLD_CONTINUED: 6,
  POLL_IN: 1, POLL_OUT: 2, POLL_MSG: 3, POLL_ERR: 4, POLL_PRI: 5, POLL_HUP: 6,
  SYS_SECCOMP: 1, SYS_USER_DISPATCH: 2,
} as const;

/** struct sigaction as rt_sigaction takes it, 64-bit. */
export const SIGACTION_64 = struct({ sa_handler: u64, sa_flags: u64, sa_restorer: u64, sa_mask: u64 });
/** struct compat_sigaction: rt_sigaction of i386. */
export const SIGACTION_32 = struct({ sa_handler: u32, sa_flags: u32, sa_restorer: u32, sa_mask: compat_u64 });
/** struct compat_old_sigaction: sigaction (67) of i386. */
export const OLD_SIGACTION_32 = struct({ sa_handler: u32, sa_mask: u32, sa_flags: u32, sa_restorer: u32 });

export const STACK_T_64 = struct({ ss_sp: u64, ss_flags: s32, ss_size: u64 });
export const STACK_T_32 = struct({ ss_sp: u32, ss_flags: s32, ss_size: u32 });
