/**
 * Linux's x86 selftests from Debian's source package, unpacked to a cache folder outside the repository and compiled as static ELF
 * files. Their list and flags are those of the selftests' own Makefile.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Target } from "./expected.ts";

export const ARCHIVE = "/usr/src/linux-source-6.1.tar.xz";
export const TREE = "linux-source-6.1/tools/testing/selftests";
const FOLDER = `${TREE}/x86`;
/** The one kernel header that a test includes. */
const DESC_DEFS = "linux-source-6.1/arch/x86/include/asm/desc_defs.h";

const BOTH = [
  "single_step_syscall",
  "sysret_ss_attrs",
  "syscall_nt",
  "test_mremap_vdso",
  "check_initial_reg_state",
  "sigreturn",
  "iopl",
  "ioperm",
  "test_vsyscall",
  "mov_ss_trap",
  "sigtrap_loop",
  "syscall_arg_fault",
  "fsgsbase_restore",
  "sigaltstack",
  "ldt_gdt",
  "ptrace_syscall",
];
const ONLY_32 = [
  "entry_from_vm86",
  "test_syscall_vdso",
  "unwind_vdso",
  "test_FCMOV",
  "test_FCOMI",
  "test_FISTTP",
  "vdso_restorer",
];
const ONLY_64 = ["fsgsbase", "sysret_rip", "syscall_numbering", "corrupt_xstate_header"];
export const SELFTESTS: Readonly<Record<32 | 64, readonly string[]>> = {
  32: [...BOTH, ...ONLY_32],
  64: [...BOTH, ...ONLY_64],
};

/** Where each is run: 32-bit programs on both kernels. */
export const TARGETS: Readonly<Record<32 | 64, readonly Target[]>> = {
  64: [
    { arch: "x86_64", vendor: "intel" },
    { arch: "x86_64", vendor: "amd" },
  ],
  32: [
    { arch: "x86_64", vendor: "intel" },
    { arch: "x86_64", vendor: "amd" },
    { arch: "i386", vendor: "intel" },
  ],
};

/** Sources beside the C file itself. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  "sysret_ss_attrs 64": ["thunks.S"],
  "ptrace_syscall 32": ["raw_syscall_helper_32.S"],
  "test_syscall_vdso 32": ["thunks_32.S"],
};
const ENTRY: Readonly<Record<string, readonly string[]>> = {
  check_initial_reg_state: ["-Wl,-ereal_start"],
};

export const hasSources = (): boolean => existsSync(ARCHIVE);

/** For tests: are they there? Without them a test is skipped by name, and fails where CI runs every oracle. */
export function requireSources(): boolean {
  if (!hasSources() && process.env.CI) throw new Error("linux-source-6.1 is not installed, and CI runs every oracle");
  if (!hasSources()) console.warn("skipped: Linux's selftests, which need the package linux-source-6.1");
  return hasSources();
}

export const cache = (): string => path.join(tmpdir(), "ringside-selftests");

/** What went wrong, or undefined. */
export function command(name: string, args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(name, [...args], { encoding: "utf8" });
  return status === 0 ? undefined : (error?.message ?? stderr);
}

/** Makes what is not in the cache yet, under a name of this process's own until it is whole: test files run at the same time. */
function once(place: string, make: (own: string) => string | undefined): string | undefined {
  if (existsSync(place)) return undefined;
  const own = `${place}.${process.pid}`;
  const problem = make(own);
  if (problem === undefined && !existsSync(place)) renameSync(own, place);
  rmSync(own, { recursive: true, force: true });
  return problem;
}

/** Unpacks the sources once; the folder they are in. */
function sources(): string {
  const unpacked = path.join(cache(), "x86");
  const problem = once(unpacked, (own) => {
    mkdirSync(own, { recursive: true });
    return command("tar", ["-xJf", ARCHIVE, "-C", own, FOLDER, `${TREE}/kselftest.h`, DESC_DEFS]);
  });
  if (problem !== undefined) throw new Error(`${ARCHIVE} cannot be unpacked: ${problem}`);
  return path.join(unpacked, FOLDER);
}

/** The path of the program, made if it is not there; or what the compiler said. */
export function buildSelftest(name: string, bits: 32 | 64): { readonly file: string } | { readonly problem: string } {
  const folder = sources();
  const file = path.join(cache(), `${name}_${bits}`);
  const more = (MORE[`${name} ${bits}`] ?? []).map((source) => path.join(folder, source));
  const compile = (own: string) =>
    command("gcc", [
      `-m${bits}`,
      ...["-O2", "-g", "-std=gnu99", "-pthread", "-w", "-no-pie", "-static", "-DCAN_BUILD_32", "-DCAN_BUILD_64"],
      ...[
        "-I",
        folder,
        ...(ENTRY[name] ?? []),
        "-o",
        own,
        path.join(folder, `${name}.c`),
        ...more,
        "-lrt",
        "-ldl",
        "-lm",
      ],
    ]);
  const problem = once(file, compile);
  return problem === undefined ? { file } : { problem };
}
