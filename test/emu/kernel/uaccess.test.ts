/** Copies from and to user memory are guest code: seen in stepping, with real faults that __ex_table answers, and undone by a restore. */
import { describe, expect, test } from "vitest";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { requireTool } from "../../tools.ts";
import { compile, elf, native, run, source, system, watch } from "./kit.ts";

/** Every call gets pointers whose last bytes have no page behind them, or none at all. */
const BATTERY = `
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static void say(const char *what, long result) { printf("%s %ld %d\\n", what, result, result < 0 ? errno : 0); }
int main(void) {
  alarm(5);
  char *area = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *end = area + 2 * 4096;
  mprotect(end, 4096, PROT_NONE);
  char *bad = end;
  int fds[2];
  say("pipe", pipe(fds));
  say("pipe bad", syscall(SYS_pipe2, end - 4, 0));
  memset(end - 100, 'x', 100);
  say("write over the edge", write(fds[1], end - 13, 20));
  say("write bad", write(fds[1], bad, 20));
  struct iovec out[3] = {{end - 5, 5}, {end - 3, 9}, {area, 4}};
  say("writev", writev(fds[1], out, 3));
  say("writev bad list", syscall(SYS_writev, fds[1], end - 8, 1));
  struct iovec in[2] = {{end - 5, 5}, {end - 3, 3}};
  say("writev inside", writev(fds[1], in, 2));
  char got[64] = {0};
  say("read over the edge", read(fds[0], end - 2, 6));
  say("read the rest", read(fds[0], got, 64));
  printf("%s\\n", got);
  // a page that nobody has touched, and one that may only be read
  char *fresh = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  say("write", write(fds[1], "hello", 5));
  say("read into fresh", read(fds[0], fresh + 7, 5));
  printf("%s\\n", fresh + 7);
  mprotect(fresh, 4096, PROT_READ);
  say("uname read-only", uname((struct utsname *)fresh));
  say("nanosleep edge", syscall(SYS_nanosleep, end - 8, 0));
  say("nanosleep null", syscall(SYS_nanosleep, 0, 0));
  struct timespec zero = {0, 1};
  say("nanosleep", syscall(SYS_nanosleep, &zero, bad));
  say("sigaction edge", syscall(SYS_rt_sigaction, SIGUSR1, end - 31, 0, 8));
  say("sigaction old", syscall(SYS_rt_sigaction, SIGUSR1, 0, end - 16, 8));
  say("sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, end - 4, 0, 8));
  say("altstack", syscall(SYS_sigaltstack, 0, end - 20));
  say("poll", syscall(SYS_poll, end - 12, 2, 0));
  say("getrandom", syscall(SYS_getrandom, bad, 8, 0));
  say("open edge", syscall(SYS_open, memset(end - 3, 'a', 3), 0));
  say("open bad", syscall(SYS_open, bad, 0));
  say("kernel pointer", syscall(SYS_write, fds[1], 0xffffffff81000000, 5));
  say("almost", syscall(SYS_write, fds[1], 0x7ffffffff000 - 2, 5));
  say("prlimit", syscall(SYS_prlimit64, 0, RLIMIT_CORE, 0, end - 15));
  if (fork() == 0) _exit(3);
  say("wait4 bad", syscall(SYS_wait4, -1, bad, 0, 0) < 0 ? -1 : 0);
  say("wait4 again", syscall(SYS_wait4, -1, 0, 0, 0));
  return 0;
}
`;

describe.runIf(requireTool("gcc"))("pointers at the edge", () => {
  test("every result is the host kernel's", () => {
    const bytes = compile(BATTERY);
    const ran = run(elf(bytes));
    expect(ran.text).toBe(native(bytes).stdout.toString());
  });
  test("the 32-bit kernel's are those of the compat kernel", () => {
    const bytes = compile(BATTERY.replaceAll("0x7ffffffff000", "0xfffff000"), "-m32");
    const compat = run(elf(bytes));
    const own = run(elf(bytes), { arch: "i386" });
    expect(own.text).toBe(compat.text);
    expect(own.text).toContain("writev inside 8 0\n");
  });
});

const HELLO = `
	.globl _start
_start:	mov $1, %eax
	mov $1, %edi
	lea text(%rip), %rsi
	mov $6, %edx
	syscall
	mov %rax, %rdi
	mov $60, %eax
	syscall
	.data
text:	.ascii "hello\\n"
`;
const HELLO_32 = `
	.globl _start
_start:	mov $4, %eax
	mov $1, %ebx
	mov $text, %ecx
	mov $6, %edx
	int $0x80
	mov %eax, %ebx
	mov $1, %eax
	int $0x80
	.data
text:	.ascii "hello\\n"
`;
const KERNELS = [
  ["x86_64", HELLO, 64],
  ["i386", HELLO_32, 32],
] as const;

/** Labels of kernel text on the way of a copy. */
const LABELS = ["user_copy", "raw_copy_from_user", "copy_user_words", "copy_user_bytes", "asm_exc_page_fault"] as const;

describe.each(KERNELS)("%s", (arch, text, bits) => {
  const program = source(text, bits);
  const here = (cpu: Cpu) => Number(BigInt.asIntN(arch === "i386" ? 53 : 64, cpu.rip));
  const start = (what = program) => {
    const target = system(what, { arch, cpus: 1 });
    const at = new Map(LABELS.map((name) => [target.kernel.symbol(name), name]));
    return { target, cpu: target.machine.cpus[0]!, at, seen: watch(target) };
  };
  /** Runs to a label of kernel text. */
  const runTo = (label: string) => {
    const started = start();
    const address = started.target.kernel.symbol(label);
    while (here(started.cpu) !== address && started.target.kernel.state.exit === undefined) started.target.run(1);
    return started;
  };

  test("a step at a time: the copy runs in ring 0, its fault goes through the IDT, and a restore undoes it", () => {
    // uname() to a page of the stack that nobody has touched yet
    const fresh = `
	.globl _start
_start:	${bits === 64 ? "lea -8192(%rsp), %rdi; mov $63, %eax; syscall" : "lea -8192(%esp), %ebx; mov $122, %eax; int $0x80"}
	mov %eax, ${bits === 64 ? "%edi; mov $60, %eax; syscall" : "%ebx; mov $1, %eax; int $0x80"}`;
    const { target, cpu, at, seen } = start(source(fresh, bits));
    const path: string[] = [];
    const snapshots: ReturnType<typeof target.machine.save>[] = [];
    while (target.kernel.state.exit === undefined) {
      const label = at.get(here(cpu));
      if (label !== undefined) {
        path.push(label);
        snapshots.push(target.machine.save());
      }
      target.run(1);
    }
    expect(target.kernel.state.exit).toEqual({ status: 0 });
    const first = path.indexOf("user_copy");
    expect(path.slice(first)).toEqual([
      "user_copy",
      "raw_copy_from_user",
      "copy_user_words",
      "asm_exc_page_fault",
      "copy_user_words",
      "copy_user_bytes",
    ]);
    const copies = seen.events.filter((e) => e.type === "user-copy");
    expect(copies[0]).toMatchObject({ function: "raw_copy_to_user", size: 390, left: 0 });
    const entry = seen.events.find((e) => e.type === "entry" && e.label === "asm_exc_page_fault" && e.fromCpl === 0);
    expect(entry).toMatchObject({ toCpl: 0 });
    for (const snapshot of snapshots) {
      target.machine.restore(snapshot);
      expect(target.run(100_000)).toEqual({ kind: "exit", status: 0 });
    }
  });

  test("without its entry in __ex_table the fault is an oops, and with it EFAULT", () => {
    const bad = source(
      text.replace(/lea text\(%rip\), %rsi|mov \$text, %ecx/, bits === 64 ? "xor %esi, %esi" : "xor %ecx, %ecx"),
      bits,
    );
    const good = run(bad, { arch });
    expect(good.stop).toEqual({ kind: "exit", status: 256 - 14 });
    const target = system(bad, { arch });
    const { kernel } = target;
    const table = kernel.symbol("__start___ex_table");
    kernel.memory.kernelWrite("test", table, new Uint8Array(kernel.symbol("__stop___ex_table") - table));
    expect(target.run(100_000)).toMatchObject({ kind: "shutdown" });
  });

  test("SMAP: without STAC the copy may not touch user memory", () => {
    const { target, cpu } = runTo("raw_copy_from_user");
    const entry = target.kernel.symbol("raw_copy_from_user");
    const code = target.kernel.memory.read(entry, 32);
    const stac = code.findIndex((byte, i) => byte === 0x0f && code[i + 1] === 0x01 && code[i + 2] === 0xcb);
    expect(stac).toBeGreaterThanOrEqual(0);
    expect(cpu.getFlags() & (1 << 18)).toBe(0);
    target.kernel.memory.kernelWrite("test", entry + stac, Uint8Array.of(0x90, 0x90, 0x90));
    expect(target.run(100_000)).toMatchObject({ kind: "shutdown" });
  });

  test("an interrupt in the middle of a copy may switch tasks", () => {
    const inject = [
      { at: "copy_user_bytes", event: "tif:NEED_RESCHED" },
      { at: "copy_user_bytes", event: "irq" },
    ];
    const plain = run(program, { arch, inject });
    const preempted = run(program, { arch, inject, designs: { preempt: "full" } });
    for (const ran of [plain, preempted]) {
      expect(ran.stop).toEqual({ kind: "exit", status: 6 });
      expect(ran.text).toBe("hello\n");
      expect(ran.events.some((e) => e.type === "entry" && e.kind === "irq" && e.fromCpl === 0)).toBe(true);
    }
    const scheduled = (ran: typeof plain) => ran.events.some((e) => e.item === "preempt_schedule_irq");
    expect([scheduled(plain), scheduled(preempted)]).toEqual([false, true]);
  });
});
