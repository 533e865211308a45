/** Restartable sequences: signals and task switches end a critical section at its abort handler; what is not one is SIGSEGV. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { compile, elf, native, run } from "./kit.ts";

/** A section of an undefined instruction, or of a loop that only a task switch ends. Registered by hand, whatever the C library did. */
const PROGRAM = `
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIG 0x53053053
struct section { uint32_t version, flags; uint64_t start, length, abort; } __attribute__((aligned(32)));
static struct { uint32_t start, id; uint64_t cs; uint32_t flags, pad[3]; } __attribute__((aligned(32))) area;
static volatile int signals;
static uintptr_t seen;
static void handler(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  signals++;
#ifdef __x86_64__
  seen = uc->uc_mcontext.gregs[REG_RIP];
  if (area.cs != 0) uc->uc_mcontext.gregs[REG_RIP] += 2;
#else
  seen = uc->uc_mcontext.gregs[REG_EIP];
  if (area.cs != 0) uc->uc_mcontext.gregs[REG_EIP] += 2;
#endif
}
static struct section cs;
extern char begin[], end[], stop[], wrong[], spin_begin[], spin_end[], spin_stop[];
static long reg(void *at, int length, int flags, unsigned sig) {
  long r = syscall(SYS_rseq, at, length, flags, sig);
  return r < 0 ? -errno : r;
}
/* 1 = went to the abort handler, 0 = ran to the end */
static int work(void) {
  int aborted;
  asm volatile(
    "begin: ud2\\n end: movl $0, %0\\n jmp 2f\\n"
    ".long 0x12345678\\n wrong: ud2\\n"
    ".byte 0x0f, 0xb9, 0x3d\\n .long 0x53053053\\n stop: movl $1, %0\\n 2:\\n" : "=r"(aborted) : : "memory");
  return aborted;
}
static void spin(void) {
  asm volatile(
    "spin_begin: pause\\n jmp spin_begin\\n spin_end:\\n"
    ".byte 0x0f, 0xb9, 0x3d\\n .long 0x53053053\\n spin_stop:\\n" : : : "memory");
}
static void set(uintptr_t from, uintptr_t length, uintptr_t to) {
  memset(&cs, 0, sizeof cs);
  cs.start = from; cs.length = length; cs.abort = to;
  area.cs = (uintptr_t)&cs;
}
#define CHILD(what, ...) do { fflush(stdout); if (fork() == 0) { set((uintptr_t)begin, end - begin, (uintptr_t)stop); \\
    __VA_ARGS__; int a = work(); _exit(40 + a); } int s; wait(&s); printf("%s %x\\n", what, s & ~0x80); } while (0)
int main(int argc, char **argv) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, 0);
  printf("misaligned %ld\\n", reg((char *)&area + 8, 32, 0, SIG));
  printf("short %ld\\n", reg(&area, 16, 0, SIG));
  printf("flags %ld\\n", reg(&area, 32, 2, SIG));
  printf("registered %ld\\n", reg(&area, 32, 0, SIG));
  printf("again %ld %ld\\n", reg(&area, 32, 0, SIG), reg(&area, 32, 0, SIG + 1));
  printf("other %ld\\n", reg((char *)&area + 32, 32, 0, SIG));
  unsigned cpu;
  syscall(SYS_getcpu, &cpu, 0, 0);
  printf("cpu %d %d\\n", area.id == area.start, area.id < 64);
  if (argc > 1) {
    set((uintptr_t)spin_begin, spin_end - spin_begin, (uintptr_t)spin_stop);
    pid_t child = fork();
    if (child == 0) { area.cs = 0; for (volatile int i = 0; i < 200000; i++); _exit(0); }
    set((uintptr_t)spin_begin, spin_end - spin_begin, (uintptr_t)spin_stop);
    spin();
    printf("switched away %d\\n", area.cs == 0);
    return 0;
  }
  set((uintptr_t)begin, end - begin, (uintptr_t)stop);
  int aborted = work();
  printf("signal: aborted %d signals %d at abort %d cs %d\\n", aborted, signals, seen == (uintptr_t)stop, area.cs != 0);
  set((uintptr_t)end, 1, (uintptr_t)stop);
  area.cs = 0;
  printf("outside: "); fflush(stdout);
  CHILD("in a child");
  CHILD("bad signature", cs.abort = (uintptr_t)wrong);
  CHILD("version", cs.version = 1);
  CHILD("abort inside", cs.abort = cs.start);
  CHILD("bad pointer", area.cs = 8);
  CHILD("kernel pointer", area.cs = ~0ull << 20);
  printf("unregister %ld %ld\\n", reg(&area, 32, 1, SIG + 1), reg(&area, 32, 1, SIG));
  printf("ids %d %d\\n", area.start, (int)area.id);
  printf("twice %ld\\n", reg(&area, 32, 1, SIG));
  return 0;
}
`;
/** The C library leaves registration to the program. */
const NO_LIBC = { GLIBC_TUNABLES: "glibc.pthread.rseq=0" };

describe.runIf(requireTool("gcc"))("restartable sequences", () => {
  const bytes = compile(PROGRAM, "-no-pie", "-w");
  test("registration, signals and bad sections as on the host's kernel", () => {
    const ran = run(elf(bytes), { env: NO_LIBC });
    expect(ran.stop).toEqual({ kind: "exit", status: 0 });
    expect(ran.text).toBe(native(bytes, [], "", NO_LIBC).stdout.toString());
    expect(ran.text).toContain("signal: aborted 1 signals 1 at abort 1 cs 0\n");
  });
  test("a task switch ends a section, on the way back to user mode", () => {
    const ran = run(elf(bytes), { env: NO_LIBC, args: ["spin"], cpus: 1 });
    expect(ran.stop).toEqual({ kind: "exit", status: 0 });
    expect(ran.text).toContain("switched away 1\n");
    const abort = ran.events.findIndex((e) => e.type === "rseq" && e.step === "abort");
    const before = ran.events
      .slice(0, abort)
      .filter((e) => e.type === "exit-work" && e.item === "resume_user_mode_work");
    expect(before.at(-1)).toMatchObject({ flags: ["NOTIFY_RESUME"] });
  });
  test("the same in 32-bit code, on either kernel", () => {
    const bytes32 = compile(PROGRAM, "-m32", "-no-pie", "-w");
    const [compat, own] = (["x86_64", "i386"] as const).map((arch) => run(elf(bytes32), { env: NO_LIBC, arch }).text);
    expect(own).toBe(compat);
    expect(own).toContain("signal: aborted 1 signals 1 at abort 1 cs 0\n");
  });
});
