/**
 * Structures and flags of file, time and system calls. Sources: uapi/asm/stat.h, asm/compat.h, asm/ia32.h, uapi/linux/stat.h,
 * uapi/linux/uio.h, uapi/linux/time_types.h, uapi/linux/utsname.h, uapi/asm-generic/fcntl.h, termbits.h, resource.h, uapi/linux/sysinfo.h.
 */
import { blob, compat_s64, compat_u64, packed, s32, s64, struct, u16, u32, u64 } from "./struct.ts";

export const STAT_64 = struct({
  st_dev: u64,
  st_ino: u64,
  st_nlink: u64,
  st_mode: u32,
  st_uid: u32,
  st_gid: u32,
  __pad0: u32,
  st_rdev: u64,
  st_size: s64,
  st_blksize: s64,
  st_blocks: s64,
  st_atime: u64,
  st_atime_nsec: u64,
  st_mtime: u64,
  st_mtime_nsec: u64,
  st_ctime: u64,
  st_ctime_nsec: u64,
  __unused: blob(24),
});

/** i386 struct stat (newstat, 106-108). */
export const STAT_32 = struct({
  st_dev: u32,
  st_ino: u32,
  st_mode: u16,
  st_nlink: u16,
  st_uid: u16,
  st_gid: u16,
  st_rdev: u32,
  st_size: u32,
  st_blksize: u32,
  st_blocks: u32,
  st_atime: u32,
  st_atime_nsec: u32,
  st_mtime: u32,
  st_mtime_nsec: u32,
  st_ctime: u32,
  st_ctime_nsec: u32,
  __unused: blob(8),
});

/** i386 struct stat64 (stat64, lstat64, fstat64, fstatat64). */
export const STAT64_32 = packed({
  st_dev: u64,
  __pad0: u32,
  __st_ino: u32,
  st_mode: u32,
  st_nlink: u32,
  st_uid: u32,
  st_gid: u32,
  st_rdev: u64,
  __pad3: u32,
  st_size: s64,
  st_blksize: u32,
  st_blocks: u64,
  st_atime: u32,
  st_atime_nsec: u32,
  st_mtime: u32,
  st_mtime_nsec: u32,
  st_ctime: u32,
  st_ctime_nsec: u32,
  st_ino: u64,
});

/** Linux's struct statfs, f_fsid and f_spare as bytes; its words are 32 bits wide for 32-bit programs. */
const statfs = (word: typeof u32 | typeof u64, count: typeof u32 | typeof compat_u64, words: number) => ({
  f_type: word,
  f_bsize: word,
  f_blocks: count,
  f_bfree: count,
  f_bavail: count,
  f_files: count,
  f_ffree: count,
  f_fsid: blob(8),
  f_namelen: word,
  f_frsize: word,
  f_flags: word,
  f_spare: blob(4 * words),
});
export const STATFS_64 = struct(statfs(u64, u64, 8));
export const STATFS_32 = struct(statfs(u32, u32, 4));
export const STATFS64_32 = struct(statfs(u32, compat_u64, 4));
export const TMPFS_MAGIC = 0x0102_1994;

const STATX_TIMESTAMP = struct({ tv_sec: s64, tv_nsec: u32, __reserved: s32 });
export const STATX = struct(
  {
    stx_mask: u32,
    stx_blksize: u32,
    stx_attributes: u64,
    stx_nlink: u32,
    stx_uid: u32,
    stx_gid: u32,
    stx_mode: u16,
    __spare0: u16,
    stx_ino: u64,
    stx_size: u64,
    stx_blocks: u64,
    stx_attributes_mask: u64,
    stx_atime: STATX_TIMESTAMP,
    stx_btime: STATX_TIMESTAMP,
    stx_ctime: STATX_TIMESTAMP,
    stx_mtime: STATX_TIMESTAMP,
    stx_rdev_major: u32,
    stx_rdev_minor: u32,
    stx_dev_major: u32,
    stx_dev_minor: u32,
    stx_mnt_id: u64,
    stx_dio_mem_align: u32,
    stx_dio_offset_align: u32,
  },
  256,
);
export const STATX_BASIC_STATS = 0x7ff;

export const S_IF = {
  S_IFSOCK: 0o140000,
  S_IFLNK: 0o120000,
  S_IFREG: 0o100000,
  S_IFBLK: 0o060000,
  S_IFDIR: 0o040000,
  S_IFCHR: 0o020000,
  S_IFIFO: 0o010000,
  S_IFMT: 0o170000,
} as const;

export const IOVEC_64 = struct({ iov_base: u64, iov_len: u64 });
export const IOVEC_32 = struct({ iov_base: u32, iov_len: u32 });

/** __kernel_timespec: 64-bit calls, and the *_time64 calls of i386. */
export const TIMESPEC_64 = struct({ tv_sec: s64, tv_nsec: s64 });
/** old_timespec32. */
export const TIMESPEC_32 = struct({ tv_sec: s32, tv_nsec: s32 });
export const TIMEVAL_64 = struct({ tv_sec: s64, tv_usec: s64 });
export const TIMEVAL_32 = struct({ tv_sec: s32, tv_usec: s32 });
export const ITIMERVAL_64 = struct({ it_interval: TIMEVAL_64, it_value: TIMEVAL_64 });
export const ITIMERVAL_32 = struct({ it_interval: TIMEVAL_32, it_value: TIMEVAL_32 });
export const ITIMER = { REAL: 0, VIRTUAL: 1, PROF: 2 } as const;
/** struct tms: four times in ticks of which a second has 100. */
export const TMS_SIZE = { 64: 32, 32: 16 } as const;
export const USER_HZ = 100;
export const TIMEZONE = struct({ tz_minuteswest: s32, tz_dsttime: s32 });
export const CLOCK = {
  CLOCK_REALTIME: 0,
  CLOCK_MONOTONIC: 1,
  CLOCK_PROCESS_CPUTIME_ID: 2,
  CLOCK_THREAD_CPUTIME_ID: 3,
  CLOCK_MONOTONIC_RAW: 4,
  CLOCK_REALTIME_COARSE: 5,
  CLOCK_MONOTONIC_COARSE: 6,
  CLOCK_BOOTTIME: 7,
  CLOCK_TAI: 11,
} as const;

/** Length of each field of new_utsname, terminating zero included. */
export const UTS_LEN = 65;
export const UTSNAME = struct({
  sysname: blob(UTS_LEN),
  nodename: blob(UTS_LEN),
  release: blob(UTS_LEN),
  version: blob(UTS_LEN),
  machine: blob(UTS_LEN),
  domainname: blob(UTS_LEN),
});

export const SYSINFO_64 = struct({
  uptime: s64,
  loads: blob(24, 8),
  totalram: u64,
  freeram: u64,
  sharedram: u64,
  bufferram: u64,
  totalswap: u64,
  freeswap: u64,
  procs: u16,
  pad: u16,
  totalhigh: u64,
  freehigh: u64,
  mem_unit: u32,
});
export const SYSINFO_32 = struct({
  uptime: s32,
  loads: blob(12, 4),
  totalram: u32,
  freeram: u32,
  sharedram: u32,
  bufferram: u32,
  totalswap: u32,
  freeswap: u32,
  procs: u16,
  pad: u16,
  totalhigh: u32,
  freehigh: u32,
  mem_unit: u32,
  _f: blob(8),
});

export const RLIMIT_64 = struct({ rlim_cur: u64, rlim_max: u64 });
export const RLIMIT_32 = struct({ rlim_cur: u32, rlim_max: u32 });
export const RLIM_INFINITY_64 = 0xffff_ffff_ffff_ffffn;
export const RLIM_INFINITY_32 = 0xffff_ffff;
export const RLIMIT = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
} as const;

export const O = {
  O_RDONLY: 0o0,
  O_WRONLY: 0o1,
  O_RDWR: 0o2,
  O_ACCMODE: 0o3,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DIRECT: 0o40000,
  O_LARGEFILE: 0o100000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
} as const;
export const AT_FD = {
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_REMOVEDIR: 0x200,
  AT_EMPTY_PATH: 0x1000,
} as const;
/** Flags of memfd_create. */
export const MFD = { CLOEXEC: 1, ALLOW_SEALING: 2, HUGETLB: 4 } as const;
/** d_type of getdents. */
export const DT = { DT_DIR: 4, DT_REG: 8 } as const;
export const RENAME = { RENAME_NOREPLACE: 1 } as const;
export const F = { F_DUPFD: 0, F_GETFD: 1, F_SETFD: 2, F_GETFL: 3, F_SETFL: 4, F_DUPFD_CLOEXEC: 1030 } as const;
export const FD_CLOEXEC = 1;
/** ioctl codes that set and clear it. */
export const FIOCLEX = 0x5451;
export const FIONCLEX = 0x5450;

/** ioctl codes of a terminal, and its kernel termios. */
export const TTY_IOCTL = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TIOCGPGRP: 0x540f,
  TIOCGWINSZ: 0x5413,
  FIONREAD: 0x541b,
} as const;
export const TERMIOS = struct({
  c_iflag: u32,
  c_oflag: u32,
  c_cflag: u32,
  c_lflag: u32,
  c_line: blob(1),
  c_cc: blob(19),
});
export const WINSIZE = struct({ ws_row: u16, ws_col: u16, ws_xpixel: u16, ws_ypixel: u16 });

export const FLOCK64_32 = struct({ l_type: u16, l_whence: u16, l_start: compat_s64, l_len: compat_u64, l_pid: s32 });
