/** Numbers against the system's own headers, and the small codecs against themselves. */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { AT, auxvName } from "../../../../src/emu/kernel/abi/auxv.ts";
import { E, errnoName } from "../../../../src/emu/kernel/abi/errno.ts";
import * as file from "../../../../src/emu/kernel/abi/file.ts";
import { decodeUserDesc, encodeUserDesc, fillLdt, ldtEmpty, ldtZero } from "../../../../src/emu/kernel/abi/ldt.ts";
import { MADV, MAP, MREMAP, MS, PROT } from "../../../../src/emu/kernel/abi/mman.ts";
import { ARCH, PR } from "../../../../src/emu/kernel/abi/prctl.ts";
import { placeFrame, RT_SIGFRAME_64, SIGFRAME_IA32 } from "../../../../src/emu/kernel/abi/sigcontext.ts";
import { decodeSiginfo, encodeSiginfo, type Siginfo, siginfoArm } from "../../../../src/emu/kernel/abi/siginfo.ts";
import { defaultAction, SI_CODE, SIG, signalName, signalNumber } from "../../../../src/emu/kernel/abi/signal.ts";
import { compat_u64, s16, struct, u8, u16, u32, u64 } from "../../../../src/emu/kernel/abi/struct.ts";
import {
  SYSCALL_NUMBERS,
  syscallName,
  syscallNumber,
  X32_SYSCALL_BIT,
} from "../../../../src/emu/kernel/abi/syscalls.ts";
import { isRevectored, VM86, vm86Result } from "../../../../src/emu/kernel/abi/vm86.ts";
import { requireTool } from "../../../tools.ts";

/** Every `#define` that the preprocessor knows after including the headers. */
function defines(headers: string[], flags: string[]): Map<string, number> {
  const text = execFileSync("gcc", [...flags, "-E", "-dM", "-x", "c", "-"], {
    input: headers.map((h) => `#include <${h}>\n`).join(""),
    encoding: "utf8",
    maxBuffer: 1 << 24,
  });
  const found = new Map<string, number>();
  for (const [, name, value] of text.matchAll(/^#define (\w+) \(?(-?(?:0x[\da-fA-F]+|\d+))U?\)?$/gm)) {
    const octal = /^0\d+$/.test(value!);
    found.set(name!, octal ? Number.parseInt(value!, 8) : Number(value));
  }
  return found;
}

describe.runIf(requireTool("gcc"))("numbers are the headers'", () => {
  test.each([
    ["x86_64", "-m64"],
    ["i386", "-m32"],
    ["x32", "-mx32"],
  ] as const)("system calls of %s", (abi, flag) => {
    // x32's numbers carry the marker bit as an expression, which the define table above does not evaluate.
    const text = execFileSync("gcc", [flag, "-E", "-dM", "-x", "c", "-"], {
      input: "#include <asm/unistd.h>\n",
      encoding: "utf8",
    });
    const system = [...text.matchAll(/^#define __NR_(\w+) \(?(?:__X32_SYSCALL_BIT \+ )?(\d+)\)?$/gm)].map(
      ([, name, nr]) => [name!, Number(nr)] as const,
    );
    expect(system.length).toBeGreaterThan(330);
    const ours = SYSCALL_NUMBERS[abi];
    // A newer header may know calls that 6.1 does not have: the last of 6.1 is 450.
    const expected = system.filter(([, nr]) => nr <= 450 || nr >= 512).sort(([a], [b]) => (a < b ? -1 : 1));
    expect([...ours].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(expected);
  });

  test("errors, signals, codes, flags", () => {
    const known = defines(
      [
        "asm/errno.h",
        "asm/signal.h",
        "asm/siginfo.h",
        "asm/mman.h",
        "linux/mman.h",
        "linux/auxvec.h",
        "linux/prctl.h",
        "asm/prctl.h",
        "linux/fcntl.h",
        "linux/time.h",
        "asm/termbits.h",
        "asm/ioctls.h",
        "linux/resource.h",
        "linux/stat.h",
      ],
      ["-m32"],
    );
    const { F_DUPFD_CLOEXEC: _, ...fcntl } = file.F;
    const tables: Record<string, number>[] = [
      E,
      SIG,
      SI_CODE,
      PROT,
      MAP,
      MREMAP,
      MS,
      MADV,
      AT,
      PR,
      file.O,
      file.CLOCK,
      fcntl,
      file.TTY_IOCTL,
      file.RLIMIT,
      file.S_IF,
      file.AT_FD,
    ];
    const { ARCH_CET_STATUS: __, ...arch } = ARCH;
    for (const table of [...tables, arch]) {
      for (const [name, value] of Object.entries(table)) {
        if (known.has(name)) expect([name, value]).toEqual([name, known.get(name)]);
        else
          expect(["AT_SYSINFO_EHDR", "AT_MINSIGSTKSZ", "AT_FDCWD", "O_RDWR"], `${name} is in no header`).toContain(
            name,
          );
      }
    }
  });
});

test("names", () => {
  expect(errnoName(-38)).toBe("ENOSYS");
  expect(syscallName("i386", 166)).toBe("vm86");
  expect(syscallName("x86_64", 154)).toBe("modify_ldt");
  expect(syscallName("x32", X32_SYSCALL_BIT | 512)).toBe("rt_sigaction");
  expect(syscallName("x32", 13)).toBeUndefined();
  expect(syscallName("i386", 17)).toBe("break");
  expect(syscallName("i386", 222)).toBeUndefined();
  expect(syscallNumber("i386", "sigreturn")).toBe(119);
  expect(signalName(11)).toBe("SIGSEGV");
  expect(signalName(34)).toBe("SIGRTMIN+2");
  expect(signalNumber("ALRM")).toBe(14);
  expect(signalNumber("SIGRTMIN+2")).toBe(34);
  expect(signalNumber("SIGNONE")).toBeUndefined();
  expect([SIG.SIGSEGV, SIG.SIGCHLD, SIG.SIGTSTP, SIG.SIGCONT, SIG.SIGUSR1, 40].map(defaultAction)).toEqual([
    "core",
    "ignore",
    "stop",
    "continue",
    "terminate",
    "terminate",
  ]);
  expect(auxvName(33)).toBe("AT_SYSINFO_EHDR");
});

test("a structure follows C's rules and its view reads and writes", () => {
  const inner = struct({ c: u8, d: u64 });
  const outer = struct({ a: u8, b: s16, inner, e: compat_u64, f: u16 });
  expect(inner.size).toBe(16);
  expect(outer.offset).toEqual({ a: 0, b: 2, inner: 8, "inner.c": 8, "inner.d": 16, e: 24, f: 32 });
  expect(outer.size).toBe(40);
  const view = outer.make({ a: 0x1ff, b: -2, "inner.d": 2n ** 63n + 5n, e: -1 });
  expect([view.get("a"), view.get("b"), view.big("inner.d"), view.big("e")]).toEqual([
    0xff,
    -2,
    2n ** 63n + 5n,
    2n ** 64n - 1n,
  ]);
  expect(inner.at(view.region("inner")).big("d")).toBe(2n ** 63n + 5n);
  expect(struct({ x: u32, y: compat_u64 }).size).toBe(12);
});

describe("siginfo", () => {
  test("the arm follows signal and code", () => {
    const arms = (
      [
        [SIG.SIGUSR1, SI_CODE.SI_USER],
        [SIG.SIGUSR1, SI_CODE.SI_TKILL],
        [SIG.SIGALRM, SI_CODE.SI_KERNEL],
        [SIG.SIGALRM, SI_CODE.SI_TIMER],
        [SIG.SIGSEGV, SI_CODE.SEGV_MAPERR],
        [SIG.SIGSEGV, SI_CODE.SEGV_PKUERR],
        [SIG.SIGSEGV, SI_CODE.SEGV_BNDERR],
        [SIG.SIGBUS, SI_CODE.BUS_MCEERR_AR],
        [SIG.SIGBUS, SI_CODE.BUS_ADRALN],
        [SIG.SIGCHLD, SI_CODE.CLD_EXITED],
        [SIG.SIGIO, SI_CODE.POLL_IN],
        [SIG.SIGSYS, SI_CODE.SYS_SECCOMP],
        [SIG.SIGSEGV, SI_CODE.SI_KERNEL],
        [SIG.SIGTRAP, 0x101],
      ] as const
    ).map(([signo, code]) => siginfoArm(signo, code));
    expect(arms).toEqual([
      "kill",
      "rt",
      "kill",
      "timer",
      "fault",
      "fault_pkuerr",
      "fault_bnderr",
      "fault_mcerr",
      "fault",
      "chld",
      "poll",
      "sys",
      "kill",
      "kill",
    ]);
  });

  test.each<Siginfo>([
    { signo: SIG.SIGSEGV, errno: 0, code: SI_CODE.SEGV_MAPERR, addr: 0xdead_beefn },
    { signo: SIG.SIGUSR1, errno: 3, code: SI_CODE.SI_TKILL, pid: 7, uid: 1000, value: 5n },
    { signo: SIG.SIGCHLD, errno: 0, code: SI_CODE.CLD_KILLED, pid: 9, uid: 0, status: 11, utime: 3n, stime: -1n },
    { signo: SIG.SIGSYS, errno: 0, code: SI_CODE.SYS_SECCOMP, callAddr: 0x1234n, syscall: 99, arch: 0x40000003 },
    { signo: SIG.SIGBUS, errno: 0, code: SI_CODE.BUS_MCEERR_AO, addr: 0x1000n, addrLsb: 12 },
  ])("goes out and comes back: $signo/$code", (info) => {
    for (const abi of ["64", "ia32", "x32"] as const) {
      const bytes = encodeSiginfo(info, abi);
      expect(bytes.length).toBe(128);
      expect(decodeSiginfo(bytes, abi)).toEqual(info);
    }
  });
});

describe("segment descriptors", () => {
  const desc = {
    entryNumber: 3,
    baseAddr: 0x12345678,
    limit: 0xfffff,
    seg32bit: false,
    contents: 0,
    readExecOnly: false,
    limitInPages: true,
    segNotPresent: false,
    useable: true,
    lm: false,
  };
  test("user_desc goes out and comes back", () => expect(decodeUserDesc(encodeUserDesc(desc))).toEqual(desc));
  test("a 16-bit data segment", () => {
    expect(fillLdt(desc)).toEqual({ low: 0x5678ffff, high: 0x129ff334 });
  });
  test("empty and zero", () => {
    const nothing = decodeUserDesc(new Uint8Array(16));
    expect([ldtZero(nothing), ldtEmpty(nothing)]).toEqual([true, false]);
    const empty = { ...nothing, readExecOnly: true, segNotPresent: true };
    expect([ldtZero(empty), ldtEmpty(empty)]).toEqual([false, true]);
  });
});

describe("signal frames", () => {
  test("placement keeps the ABI's alignment at handler entry", () => {
    for (let sp = 0x7ffd1230; sp < 0x7ffd1270; sp++) {
      const wide = placeFrame(sp, RT_SIGFRAME_64.size, 836, 64);
      expect([wide.frame % 16, wide.fpstate % 64, wide.fpstate === wide.fxstate]).toEqual([8, 0, true]);
      expect(wide.frame + RT_SIGFRAME_64.size).toBeLessThanOrEqual(wide.fpstate);
      const narrow = placeFrame(sp, SIGFRAME_IA32.size, 836, 32);
      expect([(narrow.frame + 4) % 16, narrow.fxstate % 64, narrow.fxstate - narrow.fpstate]).toEqual([0, 0, 112]);
      expect(narrow.fxstate + 836).toBeLessThanOrEqual(sp);
    }
  });
});

test("vm86 results and bitmaps", () => {
  expect(vm86Result(VM86.VM86_INTx, 0x21)).toBe(0x2102);
  const bitmap = new Uint8Array(32);
  bitmap[0x21 >> 3] = 1 << (0x21 & 7);
  expect([isRevectored(bitmap, 0x21), isRevectored(bitmap, 0x20)]).toEqual([true, false]);
});
