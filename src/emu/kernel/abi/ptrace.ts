/**
 * Numbers and structures of ptrace(2). Sources: uapi/linux/ptrace.h, uapi/asm/ptrace-abi.h, asm/user_64.h, asm/user_32.h, uapi/linux/elf.h,
 * linux/audit.h.
 */
import { blob, s64, struct, u8, u32, u64 } from "./struct.ts";

export const PTRACE = {
  TRACEME: 0,
  PEEKTEXT: 1,
  PEEKDATA: 2,
  PEEKUSR: 3,
  POKETEXT: 4,
  POKEDATA: 5,
  POKEUSR: 6,
  CONT: 7,
  KILL: 8,
  SINGLESTEP: 9,
  GETREGS: 12,
  SETREGS: 13,
  GETFPREGS: 14,
  SETFPREGS: 15,
  ATTACH: 16,
  DETACH: 17,
  GETFPXREGS: 18,
  SETFPXREGS: 19,
  OLDSETOPTIONS: 21,
  SYSCALL: 24,
  GET_THREAD_AREA: 25,
  SET_THREAD_AREA: 26,
  ARCH_PRCTL: 30,
  SYSEMU: 31,
  SYSEMU_SINGLESTEP: 32,
  SINGLEBLOCK: 33,
  SETOPTIONS: 0x4200,
  GETEVENTMSG: 0x4201,
  GETSIGINFO: 0x4202,
  SETSIGINFO: 0x4203,
  GETREGSET: 0x4204,
  SETREGSET: 0x4205,
  SEIZE: 0x4206,
  INTERRUPT: 0x4207,
  LISTEN: 0x4208,
  PEEKSIGINFO: 0x4209,
  GETSIGMASK: 0x420a,
  SETSIGMASK: 0x420b,
  SECCOMP_GET_FILTER: 0x420c,
  SECCOMP_GET_METADATA: 0x420d,
  GET_SYSCALL_INFO: 0x420e,
  GET_RSEQ_CONFIGURATION: 0x420f,
} as const;

export const PTRACE_EVENT = {
  FORK: 1,
  VFORK: 2,
  CLONE: 3,
  EXEC: 4,
  VFORK_DONE: 5,
  EXIT: 6,
  SECCOMP: 7,
  STOP: 128,
} as const;

/** Options: bit 0 marks system call stops, the others are 1 << event. */
export const PTRACE_O = {
  TRACESYSGOOD: 1,
  EXITKILL: 1 << 20,
  SUSPEND_SECCOMP: 1 << 21,
  MASK: 0xff | (1 << 20) | (1 << 21),
} as const;
export const SYSGOOD = 0x80;
export const EVENTMSG = { SYSCALL_ENTRY: 1n, SYSCALL_EXIT: 2n } as const;

/** struct user_regs_struct of x86-64: pt_regs and behind it what the processor keeps. One word of 8 bytes each. */
// biome-ignore format: a table
export const USER_REGS_64 = [
  "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di", "orig_ax", "ip", "cs", "flags", "sp", "ss",
  "fs_base", "gs_base", "ds", "es", "fs", "gs",
] as const;
/** struct user_regs_struct of i386: words of 4 bytes. */
// biome-ignore format: a table
export const USER_REGS_32 = [
  "bx", "cx", "dx", "si", "di", "bp", "ax", "ds", "es", "fs", "gs", "orig_ax", "ip", "cs", "flags", "sp", "ss",
] as const;

/** struct user: its size and where its debug registers are. */
export const USER = { 64: { size: 928, debugreg: 848 }, 32: { size: 284, debugreg: 252 } } as const;

/** core_note_type of the register sets. */
export const NT = {
  PRSTATUS: 1,
  PRFPREG: 2,
  X86_TLS: 0x200,
  X86_IOPERM: 0x201,
  X86_XSTATE: 0x202,
  PRXFPREG: 0x46e62b7f,
} as const;

export const AUDIT_ARCH = { X86_64: 0xc000_003e, I386: 0x4000_0003 } as const;
export const SYSCALL_INFO = { NONE: 0, ENTRY: 1, EXIT: 2, SECCOMP: 3 } as const;
/** struct ptrace_syscall_info: the head, and its union's arms. */
export const SYSCALL_INFO_HEAD = struct({ op: u8, pad: blob(3), arch: u32, ip: u64, sp: u64 });
export const SYSCALL_INFO_ENTRY = struct({ ...headOf(), nr: u64, args: blob(48, 8) });
export const SYSCALL_INFO_EXIT = struct({ ...headOf(), rval: s64, is_error: u8 });
/** offsetofend(is_error): without the padding. */
export const SYSCALL_INFO_EXIT_SIZE = SYSCALL_INFO_EXIT.offset.is_error + 1;
export const SYSCALL_INFO_SECCOMP = struct({ ...headOf(), nr: u64, args: blob(48, 8), ret_data: u32 });
/** offsetofend(ret_data). */
export const SYSCALL_INFO_SECCOMP_SIZE = SYSCALL_INFO_SECCOMP.offset.ret_data + 4;
function headOf() {
  return { op: u8, pad: blob(3), arch: u32, ip: u64, sp: u64 };
}

export const RSEQ_CONFIGURATION = struct({
  rseq_abi_pointer: u64,
  rseq_abi_size: u32,
  signature: u32,
  flags: u32,
  pad: u32,
});
export const PEEKSIGINFO_ARGS = struct({ off: u64, flags: u32, nr: u32 });
export const PEEKSIGINFO_SHARED = 1;
