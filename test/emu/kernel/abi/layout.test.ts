/** Structure tables against the C compiler's own offsetof and sizeof, for both word sizes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as elf from "../../../../src/emu/kernel/abi/elf.ts";
import * as file from "../../../../src/emu/kernel/abi/file.ts";
import * as ldt from "../../../../src/emu/kernel/abi/ldt.ts";
import * as context from "../../../../src/emu/kernel/abi/sigcontext.ts";
import { SIGINFO_32, SIGINFO_64 } from "../../../../src/emu/kernel/abi/siginfo.ts";
import * as signal from "../../../../src/emu/kernel/abi/signal.ts";
import type { Fields, Struct } from "../../../../src/emu/kernel/abi/struct.ts";
import * as vm86 from "../../../../src/emu/kernel/abi/vm86.ts";
import { requireTool } from "../../../tools.ts";

/** C type, our table, and what our field names are called there: a map, or a prefix function. `-` = not compared. */
type Case = [type: string, table: unknown, rename?: (field: string) => string];

const HEADERS = `
#include <stddef.h>
#include <stdio.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ldt.h>
#include <asm/stat.h>
#include <linux/elf.h>
#include <linux/stat.h>
#include <linux/uio.h>
#include <linux/time_types.h>
#include <linux/utsname.h>
#include <linux/sysinfo.h>
#undef sa_handler
typedef unsigned long long word64;
struct ksigaction64 { word64 sa_handler, sa_flags, sa_restorer, sa_mask; };
struct ksigaction32 { unsigned sa_handler, sa_flags, sa_restorer; word64 sa_mask; };
`;
const UCONTEXT = `
struct uc { unsigned long uc_flags; void *uc_link; stack_t uc_stack; struct sigcontext uc_mcontext; word64 uc_sigmask; };
`;
const FRAME_64 = `${UCONTEXT}struct rt_frame { char *pretcode; struct uc uc; siginfo_t info; };
`;
const FRAME_32 = `${UCONTEXT}
#include <asm/vm86.h>
struct rt_frame { char *pretcode; int sig; void *pinfo, *puc; siginfo_t info; struct uc uc; char retcode[8]; };
struct old_frame { char *pretcode; int sig; struct sigcontext sc; struct _fpstate fpstate_unused; unsigned extramask; char retcode[8]; };
`;

/** 32-bit uapi names have an e in front, 64-bit ones an r. */
const sigcontextName = (bits: 32 | 64) => (field: string) =>
  field.replace(/(^|\.)(flags|sp_at_signal|[abcd]x|[sd]i|[bsi]p)$/, (_, dot: string, name: string) =>
    name === "flags" ? `${dot}eflags` : dot + (bits === 32 ? "e" : "r") + name,
  );
const siginfoName = (field: string) => (field.startsWith("si_") ? field : "-");
const userDescName = (field: string) => (field === "flags" ? "-" : field);

const cases: Record<32 | 64, Case[]> = {
  64: [
    ["struct ksigaction64", signal.SIGACTION_64],
    ["stack_t", signal.STACK_T_64],
    ["struct sigcontext", context.SIGCONTEXT_64, sigcontextName(64)],
    ["struct uc", context.UCONTEXT_64, sigcontextName(64)],
    ["struct rt_frame", context.RT_SIGFRAME_64, sigcontextName(64)],
    ...Object.values(SIGINFO_64).map((arm): Case => ["siginfo_t", arm, siginfoName]),
    ["struct stat", file.STAT_64],
    ["struct iovec", file.IOVEC_64],
    ["struct __kernel_timespec", file.TIMESPEC_64],
    ["struct sysinfo", file.SYSINFO_64],
    ["Elf64_Ehdr", elf.ELF64_EHDR, (f) => (f.startsWith("ei_") ? "-" : f)],
    ["Elf64_Phdr", elf.ELF64_PHDR],
    ["Elf64_Shdr", elf.ELF64_SHDR],
    ["Elf64_Sym", elf.ELF64_SYM],
    ["struct _fpx_sw_bytes", context.FPX_SW_BYTES],
    ["struct user_desc", ldt.USER_DESC, userDescName],
  ],
  32: [
    ["struct ksigaction32", signal.SIGACTION_32],
    ["stack_t", signal.STACK_T_32],
    ["struct sigcontext", context.SIGCONTEXT_32, sigcontextName(32)],
    ["struct uc", context.UCONTEXT_32, sigcontextName(32)],
    ["struct rt_frame", context.RT_SIGFRAME_IA32, sigcontextName(32)],
    ["struct old_frame", context.SIGFRAME_IA32, sigcontextName(32)],
    ...Object.values(SIGINFO_32).map((arm): Case => ["siginfo_t", arm, siginfoName]),
    ["struct stat", file.STAT_32, (f) => (f === "__unused" ? "__unused4" : f)],
    ["struct stat64", file.STAT64_32],
    ["struct statx", file.STATX],
    ["struct iovec", file.IOVEC_32],
    ["struct __kernel_timespec", file.TIMESPEC_64],
    ["struct sysinfo", file.SYSINFO_32],
    ["struct new_utsname", file.UTSNAME],
    ["Elf32_Ehdr", elf.ELF32_EHDR, (f) => (f.startsWith("ei_") ? "-" : f)],
    ["Elf32_Phdr", elf.ELF32_PHDR],
    ["Elf32_Shdr", elf.ELF32_SHDR],
    ["Elf32_Sym", elf.ELF32_SYM],
    ["struct _fpx_sw_bytes", context.FPX_SW_BYTES],
    ["struct user_desc", ldt.USER_DESC, userDescName],
    ["struct vm86_struct", vm86.VM86_STRUCT],
    ["struct vm86plus_struct", vm86.VM86PLUS_STRUCT, (f) => (f.endsWith("vm86plus.flags") ? "-" : f)],
    ["struct vm86_regs", vm86.VM86_REGS],
  ],
};

function compiled(bits: 32 | 64, lines: string[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), "ringside-abi-"));
  try {
    const source = join(dir, "layout.c");
    writeFileSync(
      source,
      `${HEADERS}${bits === 64 ? FRAME_64 : FRAME_32}int main(void) {\n${lines.join("\n")}\nreturn 0; }\n`,
    );
    execFileSync("gcc", [`-m${bits}`, "-w", "-o", join(dir, "layout"), source]);
    return execFileSync(join(dir, "layout"), { encoding: "utf8" }).trim().split("\n");
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe.runIf(requireTool("gcc"))("structure layouts are the compiler's", () => {
  test.each([64, 32] as const)("%i-bit", (bits) => {
    const lines: string[] = [];
    const ours: string[] = [];
    for (const [type, table, rename = (field: string) => field] of cases[bits]) {
      const layout = table as Struct<Fields>;
      lines.push(`printf("${type} size %zu\\n", sizeof(${type}));`);
      ours.push(`${type} size ${layout.size}`);
      for (const [field, slot] of layout.slots) {
        const name = rename(field);
        if (name === "-" || field === "pad" || field === "dummy") continue;
        lines.push(`printf("${type} ${name} %zu\\n", offsetof(${type}, ${name}));`);
        ours.push(`${type} ${name} ${slot.offset}`);
      }
    }
    expect(ours).toEqual(compiled(bits, lines));
    expect(ours.length).toBeGreaterThan(100);
  });
});
