/**
 * Numbers and structures of seccomp(2) and of classic BPF. Sources: uapi/linux/seccomp.h, uapi/linux/bpf_common.h, uapi/linux/filter.h.
 */
import { blob, s32, s64, struct, u8, u16, u32, u64 } from "./struct.ts";

export const SECCOMP_SET_MODE_STRICT = 0;
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_GET_ACTION_AVAIL = 2;
export const SECCOMP_GET_NOTIF_SIZES = 3;
/** What PR_GET_SECCOMP says. */
export const SECCOMP_MODE = { DISABLED: 0, STRICT: 1, FILTER: 2 } as const;

export const SECCOMP_FILTER_FLAG = {
  TSYNC: 1,
  LOG: 2,
  SPEC_ALLOW: 4,
  NEW_LISTENER: 8,
  TSYNC_ESRCH: 16,
  WAIT_KILLABLE_RECV: 32,
} as const;

/** What a filter returns: an action in the high half, data in the low one. As a signed number the lower one wins. */
export const SECCOMP_RET = {
  KILL_PROCESS: 0x8000_0000,
  KILL_THREAD: 0,
  TRAP: 0x3_0000,
  ERRNO: 0x5_0000,
  USER_NOTIF: 0x7fc0_0000,
  TRACE: 0x7ff0_0000,
  LOG: 0x7ffc_0000,
  ALLOW: 0x7fff_0000,
} as const;
export const SECCOMP_RET_ACTION_FULL = 0xffff_0000;
export const SECCOMP_RET_DATA = 0xffff;

/** sizeof(struct seccomp_data): nr, arch, instruction pointer, six arguments. */
export const SECCOMP_DATA_SIZE = 64;
export const SECCOMP_NOTIF = struct({ id: u64, pid: u32, flags: u32, data: blob(SECCOMP_DATA_SIZE, 8) });
export const SECCOMP_NOTIF_RESP = struct({ id: u64, val: s64, error: s32, flags: u32 });
export const SECCOMP_NOTIF_ADDFD = struct({ id: u64, flags: u32, srcfd: u32, newfd: u32, newfd_flags: u32 });
/** What SECCOMP_GET_NOTIF_SIZES tells. */
export const SECCOMP_NOTIF_SIZES = [SECCOMP_NOTIF.size, SECCOMP_NOTIF_RESP.size, SECCOMP_DATA_SIZE] as const;
export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;
export const SECCOMP_ADDFD_FLAG = { SETFD: 1, SEND: 2 } as const;

/** ioctl codes of a listener: direction in bits 31:30, size of the structure in 29:16, type, number. */
const code = (direction: number, number: number, size: number): number =>
  ((direction << 30) | (size << 16) | (0x21 << 8) | number) >>> 0;
const IOC = { WRITE: 1, READ: 2 } as const;
export const SECCOMP_IOCTL = {
  NOTIF_RECV: code(IOC.READ | IOC.WRITE, 0, SECCOMP_NOTIF.size),
  NOTIF_SEND: code(IOC.READ | IOC.WRITE, 1, SECCOMP_NOTIF_RESP.size),
  NOTIF_ID_VALID: code(IOC.WRITE, 2, 8),
  /** As it was first defined, with the wrong direction. */
  NOTIF_ID_VALID_WRONG_DIR: code(IOC.READ, 2, 8),
  /** Of any size and direction. */
  NOTIF_ADDFD: code(0, 3, 0),
} as const;
export const IOC_SIZE = (command: number): number => (command >>> 16) & 0x3fff;
/** What is left of a code without direction and size. */
export const IOC_REST = (command: number): number => command & 0xffff;
/** struct seccomp_metadata. */
export const SECCOMP_METADATA = struct({ filter_off: u64, flags: u64 });

export const SOCK_FPROG_64 = struct({ len: u16, filter: u64 });
export const SOCK_FPROG_32 = struct({ len: u16, filter: u32 });
export const SOCK_FILTER = struct({ code: u16, jt: u8, jf: u8, k: u32 });
export const BPF_MAXINSNS = 4096;
/** A path through all of a task's filters may have 256 KiB of instructions; each filter counts four more. */
export const MAX_INSNS_PER_PATH = 2 ** 18 / SOCK_FILTER.size;
export const FILTER_PENALTY = 4;

export const BPF = {
  LD: 0x00,
  LDX: 0x01,
  ST: 0x02,
  STX: 0x03,
  ALU: 0x04,
  JMP: 0x05,
  RET: 0x06,
  MISC: 0x07,
  IMM: 0x00,
  ABS: 0x20,
  MEM: 0x60,
  LEN: 0x80,
  ADD: 0x00,
  SUB: 0x10,
  MUL: 0x20,
  DIV: 0x30,
  OR: 0x40,
  AND: 0x50,
  LSH: 0x60,
  RSH: 0x70,
  NEG: 0x80,
  XOR: 0xa0,
  JA: 0x00,
  JEQ: 0x10,
  JGT: 0x20,
  JGE: 0x30,
  JSET: 0x40,
  K: 0x00,
  X: 0x08,
  A: 0x10,
  TAX: 0x00,
  TXA: 0x80,
} as const;
export const BPF_MEMWORDS = 16;

/** si_code of a SIGSYS. */
export const SYS_SECCOMP = 1;
