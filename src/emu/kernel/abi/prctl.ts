/** Codes of arch_prctl and of the prctl calls a libc makes. Sources: uapi/asm/prctl.h, uapi/linux/prctl.h. */
export const ARCH = {
  ARCH_SET_GS: 0x1001,
  ARCH_SET_FS: 0x1002,
  ARCH_GET_FS: 0x1003,
  ARCH_GET_GS: 0x1004,
  ARCH_GET_CPUID: 0x1011,
  ARCH_SET_CPUID: 0x1012,
  ARCH_GET_XCOMP_SUPP: 0x1021,
  ARCH_GET_XCOMP_PERM: 0x1022,
  ARCH_REQ_XCOMP_PERM: 0x1023,
  ARCH_MAP_VDSO_X32: 0x2001,
  ARCH_MAP_VDSO_32: 0x2002,
  ARCH_MAP_VDSO_64: 0x2003,
  /** glibc probes for shadow stacks with this; 6.1 answers EINVAL. */
  ARCH_CET_STATUS: 0x3001,
} as const;
export const PR = {
  PR_SET_NAME: 15,
  PR_GET_NAME: 16,
  PR_GET_DUMPABLE: 3,
  PR_SET_DUMPABLE: 4,
  PR_GET_SECCOMP: 21,
  PR_SET_SECCOMP: 22,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_GET_NO_NEW_PRIVS: 39,
  PR_GET_TSC: 25,
  PR_SET_TSC: 26,
} as const;
export const PR_TSC = { ENABLE: 1, SIGSEGV: 2 } as const;
