/** Signals end to end: frames, alternate stacks, the return, and what ends a program. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { compile, elf, native, run, source } from "./kit.ts";

const C = `
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static char alt[65536];
static sigjmp_buf back;
static volatile int depth;
static int page;

static void on(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_sigaction = f;
  sa.sa_flags = SA_SIGINFO | flags;
  sigaction(sig, &sa, 0);
}
static void fault(int sig, siginfo_t *si, void *vuc) {
  ucontext_t *uc = vuc;
  char here;
  int on_alt = &here >= alt && &here < alt + sizeof alt;
  printf("signal %d code %d alt %d trap %d err %d\\n", sig, si->si_code, on_alt,
         (int)uc->uc_mcontext.gregs[REG_TRAPNO], (int)uc->uc_mcontext.gregs[REG_ERR]);
  siglongjmp(back, 1);
}
static void mend(int sig, siginfo_t *si, void *vuc) {
  printf("mending page offset %d\\n", (int)((unsigned long)si->si_addr & 4095));
  mprotect((void *)((unsigned long)si->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}
static void nested(int sig, siginfo_t *si, void *vuc) {
  printf("depth %d\\n", ++depth);
  if (depth < 3) raise(SIGUSR2);
}
int main(void) {
  stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt }, old;
  sigaltstack(&ss, &old);
  printf("old flags %d\\n", old.ss_flags);
  on(SIGSEGV, fault, SA_ONSTACK);
  on(SIGILL, fault, 0);
  on(SIGFPE, fault, SA_ONSTACK);
  on(SIGTRAP, fault, 0);
  on(SIGBUS, fault, SA_ONSTACK);
  if (!sigsetjmp(back, 1)) *(volatile int *)8 = 1;
  if (!sigsetjmp(back, 1)) __asm__ volatile("ud2");
  if (!sigsetjmp(back, 1)) { volatile int zero = 0; volatile int r = 1 / zero; (void)r; }
  if (!sigsetjmp(back, 1)) __asm__ volatile("int3");
  if (!sigsetjmp(back, 1)) __asm__ volatile("hlt");
  if (!sigsetjmp(back, 1)) __asm__ volatile("mov %0, %%ds" :: "r"(0x1234));
  char *p = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  on(SIGSEGV, mend, 0);
  p[123] = 'x';
  printf("written %c\\n", p[123]);
  on(SIGUSR2, nested, SA_NODEFER);
  raise(SIGUSR2);
  sigset_t set, was;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, 0);
  raise(SIGUSR2);
  printf("blocked\\n");
  sigprocmask(SIG_UNBLOCK, &set, &was);
  printf("was blocked %d\\n", sigismember(&was, SIGUSR2));
  fflush(stdout);
  signal(SIGSEGV, SIG_DFL);
  *(volatile int *)16 = 1;
  return 0;
}
`;

describe.runIf(requireTool("gcc"))("a C program's handlers", () => {
  test.each([
    ["-m64", "x86_64"],
    ["-m32", "x86_64"],
    ["-m32", "i386"],
  ] as const)("%s on the %s kernel: as natively", (flag, arch) => {
    const bytes = compile(C, flag);
    const here = run(elf(bytes), { arch });
    const there = native(bytes);
    expect(here.text).toBe(there.stdout.toString());
    expect(there.signal).toBe("SIGSEGV");
    expect(here.stop).toEqual({ kind: "exit", status: 139, signal: 11 });
  });
});

test("a program without a handler ends by its fault, whose reason is on the timeline", () => {
  const ran = run(source("\t.globl _start\n_start: mov 0x10, %eax\n"));
  expect(ran.stop).toEqual({ kind: "exit", status: 139, signal: 11 });
  const fault = ran.events.filter((e) => e.type === "fault").at(-1);
  expect(fault).toMatchObject({ vector: 14, errorCode: 4, address: "0x10" });
  expect(fault?.why).toMatch(/not present/);
});

test("a jump to nowhere and a stack that is none end the program, not the machine", () => {
  for (const body of [
    "mov $0x123456789, %rax; jmp *%rax",
    "xor %esp, %esp; push %rax",
    "movabs $0x8000000000000000, %rax; push %rax; ret",
  ]) {
    const ran = run(source(`\t.globl _start\n_start: ${body}\n`));
    expect(ran.stop).toMatchObject({ kind: "exit", signal: 11 });
  }
});

test("an injected signal reaches a program that never enters the kernel by itself", () => {
  const spin = source("\t.globl _start\n_start: nop\nspin: jmp spin\n");
  const ran = run(spin, { inject: [{ at: "spin", event: "signal:SIGTERM" }] }, 100_000);
  expect(ran.stop).toEqual({ kind: "exit", status: 143, signal: 15 });
});

test("NMIs that strike the NMI handler itself are all handled", () => {
  const body = source("\t.globl _start\n_start: mov $39, %eax\n syscall\n mov $60, %eax\n xor %edi, %edi\n syscall\n");
  for (const within of ["first_nmi", "repeat_nmi", "end_repeat_nmi", "nmi_restore"]) {
    const inject = [
      { at: "entry_SYSCALL_64_safe_stack", event: "nmi" },
      { at: within, event: "nmi" },
    ];
    const ran = run(body, { inject });
    expect([within, ran.stop]).toEqual([within, { kind: "exit", status: 0 }]);
    const handled = ran.events.filter((e) => e.type === "unclaimed" && e.name === "exc_nmi");
    expect([within, handled.length]).toEqual([within, 2]);
  }
});

test("NMI and machine check come and go", () => {
  const body = source("\t.globl _start\n_start: nop\nhere: nop\nthere: mov $60, %eax\n xor %edi, %edi\n syscall\n");
  for (const at of ["here", "entry_SYSCALL_64_safe_stack", "entry_SYSRETQ_unsafe_stack", "native_irq_return_iret"]) {
    for (const event of ["nmi", "mc", "irq"]) {
      const ran = run(body, { inject: [{ at, event }] });
      expect([at, event, ran.stop]).toEqual([at, event, { kind: "exit", status: 0 }]);
    }
  }
});
