/** seccomp: which BPF programs are accepted and what they return, and what its calls answer, held to this host's kernel. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { compile, elf, exits, native, run, source } from "./kit.ts";

const C = String.raw`
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

static unsigned seed = 12345;
static unsigned rnd(void) { return seed = seed * 1664525u + 1013904223u; }
static unsigned pick(unsigned n) { return (rnd() >> 8) % n; }

static const unsigned short codes[] = {
	0x20, 0x80, 0x81, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c,
	0x64, 0x6c, 0x74, 0x7c, 0x84, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87,
	0x94, 0x30, 0x28, 0x40, 0xb1, 0x0e,
};
#define N (sizeof(codes) / sizeof(codes[0]))
static unsigned constant(void)
{
	static const unsigned some[] = { 0, 1, 2, 4, 8, 15, 16, 20, 31, 32, 60, 64, 63, 0x80000000u, 0xffffffffu, 110, 0xfffff000u };
	return pick(3) ? some[pick(sizeof(some) / sizeof(some[0]))] : rnd();
}

/* A random program: what it makes of a call becomes the call's error number, 12 bits of it. */
static int make(struct sock_filter *f, int strange)
{
	int n = 3 + pick(12), i;
	for (i = 0; i < n; i++) {
		f[i].code = codes[pick(strange ? N : N - 6)];
		if ((f[i].code & 7) == 6) f[i].code = 0x20;
		f[i].jt = pick(3); f[i].jf = pick(3); f[i].k = constant();
		if (f[i].code == 0x05) f[i].k = pick(3);
		if (!strange && f[i].code == 0x20) f[i].k = 4 * pick(16);
		if (f[i].code == 0x20 && f[i].k == 8) f[i].k = 0;	/* the vDSO's address is random */
		if (!strange && (f[i].code == 0x64 || f[i].code == 0x74)) f[i].k &= 31;
		if (!strange && f[i].code == 0x34) f[i].k |= 1;
		if (!strange && ((f[i].code & 0xf7) == 0x02 || (f[i].code & 0xfe) == 0x60)) f[i].k &= 15;
		if (!strange && (f[i].code & 0xfe) == 0x60) f[i].code = 0x20, f[i].k = 16;
	}
	f[i++] = (struct sock_filter){ 0x54, 0, 0, 0xfff };
	f[i++] = (struct sock_filter){ 0x44, 0, 0, 0x50000 };
	f[i++] = (struct sock_filter){ 0x02, 0, 0, 3 };
	f[i++] = (struct sock_filter){ 0x20, 0, 0, 0 };
	f[i++] = (struct sock_filter){ 0x15, 0, 2, __NR_getppid };
	f[i++] = (struct sock_filter){ 0x60, 0, 0, 3 };
	f[i++] = (struct sock_filter){ 0x16, 0, 0, 0 };
	f[i++] = (struct sock_filter){ 0x06, 0, 0, 0x7fff0000 };
	return i;
}

static long call(long a, long b, long c, long d, long e, long f)
{
	errno = 0;
	return syscall(__NR_getppid, a, b, c, d, e, f) < 0 ? errno : 0;
}

static void program(int strange)
{
	struct sock_filter f[32];
	struct sock_fprog p = { make(f, strange), f };
	int status;
	fflush(stdout);
	if (fork() == 0) {
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) {
			printf("refused %d\n", errno);
		} else {
			printf("%ld %ld\n", call(0, 1, 2, 3, 4, 5), call(-1, 0x1234567890L, 20, 4, 0x80000000L, 32));
		}
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	if (status) printf("status %x\n", status & ~0x80); // whether there is a core is a limit

}

static void in_child(const char *what, void (*body)(void))
{
	int status;
	fflush(stdout);
	if (fork() == 0) { body(); fflush(stdout); _exit(7); }
	wait(&status);
	printf("%s: %x\n", what, status & ~0x80);
}
static void strict(void) { prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); write(1, "strict\n", 7); syscall(__NR_exit, 3); }
static void strict_getpid(void) { prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); syscall(__NR_getpid); }
static void strict_mode(void) { prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); prctl(PR_GET_SECCOMP); }
static void strict_twice(void) { printf("%d ", prctl(PR_SET_SECCOMP, 3)); printf("%d\n", errno); }
static void action(unsigned ret)
{
	struct sock_filter f[] = { { 0x20, 0, 0, 0 }, { 0x15, 0, 1, __NR_getppid }, { 0x06, 0, 0, ret }, { 0x06, 0, 0, 0x7fff0000 } };
	struct sock_fprog p = { 4, f };
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) printf("errno %d\n", errno);
	errno = 0;
	printf("%s %d\n", syscall(__NR_getppid) < 0 ? "refused" : "made", errno);
}
static void caught(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	printf("SIGSYS code %d errno %d nr %d arch %x at ip %d\n", info->si_code, info->si_errno, info->si_syscall, info->si_arch,
	       info->si_call_addr == (void *)
#ifdef __x86_64__
	       uc->uc_mcontext.gregs[REG_RIP]
#else
	       uc->uc_mcontext.gregs[REG_EIP]
#endif
	       );
}
static void errno_(void) { action(SECCOMP_RET_ERRNO | 42); }
static void errno_most(void) { action(SECCOMP_RET_ERRNO | 0xffff); }
static void trap(void)
{
	struct sigaction sa = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
	sigaction(SIGSYS, &sa, 0);
	struct sock_filter f[] = { { 0x20, 0, 0, 0 }, { 0x15, 0, 1, __NR_getppid }, { 0x06, 0, 0, SECCOMP_RET_TRAP | 99 }, { 0x06, 0, 0, 0x7fff0000 } };
	struct sock_fprog p = { 4, f };
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
	printf("returns %ld of %d\n", syscall(__NR_getppid), __NR_getppid);
}
static void trap_uncaught(void) { action(SECCOMP_RET_TRAP); }
static void trap_ignored(void) { signal(SIGSYS, SIG_IGN); action(SECCOMP_RET_TRAP); }
static void trace(void) { action(SECCOMP_RET_TRACE | 5); }
static void notif(void) { action(SECCOMP_RET_USER_NOTIF); }
static void log_(void) { action(SECCOMP_RET_LOG); }
static void kill_thread(void) { signal(SIGSYS, SIG_IGN); action(SECCOMP_RET_KILL_THREAD); }
static void kill_process(void) { action(SECCOMP_RET_KILL_PROCESS); }
static void unknown(void) { action(0x12340000); }
static void inherited(void)
{
	int status;
	action(SECCOMP_RET_ERRNO | 1);
	if (fork() == 0) { printf("mode %d ", prctl(PR_GET_SECCOMP)); action(SECCOMP_RET_ERRNO | 2); fflush(stdout); _exit(0); }
	wait(&status);
	action(SECCOMP_RET_ERRNO | 9);
	action(SECCOMP_RET_ALLOW);
	action(SECCOMP_RET_KILL_PROCESS);
}
static int mode(void) { int m = -1; prctl(PR_GET_TSC, &m); return m; }
static void tsc(void)
{
	int status, same = mode(), refused = prctl(PR_SET_TSC, 3), bad = prctl(PR_GET_TSC, 8), set = prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	printf("%d %d %d %d %d\n", same, refused, bad, set, mode());
	fflush(stdout);
	if (fork() == 0) { __builtin_ia32_rdtsc(); _exit(1); }
	wait(&status);
	printf("in a child: %x\n", status & ~0x80);
	for (volatile int i = 0; i < 300000; i++) ;	/* long enough to be switched */
	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	printf("%d %d\n", mode(), __builtin_ia32_rdtsc() != 0);
}
static void strict_rdtsc(void) { prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); __builtin_ia32_rdtsc(); syscall(__NR_exit, 0); }
static void refusals(void)
{
	struct sock_filter f[] = { { 0x06, 0, 0, 0x7fff0000 } };
	struct sock_fprog p = { 1, f }, none = { 0, f }, long_ = { 4097, f }, bad = { 1, (void *)8 };
	unsigned a = SECCOMP_RET_TRAP, b = 0x1234;
#define TRY(x) (errno = 0, printf("%s = %ld %d\n", #x, (long)(x), errno))
	TRY(syscall(__NR_seccomp, 0, 1, 0)); TRY(syscall(__NR_seccomp, 1, 0x40, &p)); TRY(syscall(__NR_seccomp, 1, 9, &p));
	TRY(syscall(__NR_seccomp, 1, 32, &p)); TRY(syscall(__NR_seccomp, 9, 0, 0)); TRY(syscall(__NR_seccomp, 2, 0, &a));
	TRY(syscall(__NR_seccomp, 2, 0, &b)); TRY(syscall(__NR_seccomp, 2, 1, &a)); TRY(syscall(__NR_seccomp, 2, 0, 8));
	TRY(syscall(__NR_seccomp, 3, 0, 8)); TRY(syscall(__NR_seccomp, 1, 0, &none)); TRY(syscall(__NR_seccomp, 1, 0, &long_));
	TRY(syscall(__NR_seccomp, 1, 0, &bad)); TRY(syscall(__NR_seccomp, 1, 0, 8)); TRY(prctl(PR_SET_SECCOMP, 0, 0, 0, 0));
	TRY(prctl(PR_GET_SECCOMP)); TRY(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0)); TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	TRY(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0)); TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); TRY(syscall(__NR_seccomp, 1, 0, &p)); TRY(prctl(PR_GET_SECCOMP));
	TRY(prctl(PR_SET_SECCOMP, 1, 0, 0, 0));
}
/* Of each instruction and its forms: as many filters as there may be say how long Linux's own form of it is. */
static void length(unsigned short code, unsigned char jt, unsigned char jf, unsigned k)
{
	struct sock_filter big[300] = { 0 };
	struct sock_fprog p = { 300, big };
	int status, n = 0;
	fflush(stdout);
	if (fork() == 0) {
		for (int i = 0; i < 298; i++) big[i] = (struct sock_filter){ code, jt, jf, k };
		big[298] = big[299] = (struct sock_filter){ 0x06, 0, 0, 0x7fff0000 };
		while (syscall(__NR_seccomp, 1, 0, &p) == 0) n++;
		printf("%x %d %d %x: %d, then %d\n", code, jt, jf, k, n, errno);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
}
static void lengths(void)
{
	static const unsigned short some[] = { 0x15, 0x45, 0x2d, 0x05, 0x3c, 0x84, 0x20 };
	for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		unsigned short c = some[i];
		length(c, 0, 0, 4);
		if (i > 2) continue;
		length(c, 1, 0, 4); length(c, 0, 1, 4); length(c, 1, 1, 4); length(c, 1, 1, -4); length(c, 0, 1, -4);
	}
}

int main(void)
{
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	prctl(PR_SET_NO_NEW_PRIVS, 0);
#define RUN(x) in_child(#x, x)
	RUN(strict); RUN(strict_getpid); RUN(strict_mode); RUN(strict_twice); RUN(strict_rdtsc); RUN(tsc); RUN(errno_); RUN(errno_most); RUN(trap); RUN(trap_uncaught);
	RUN(trap_ignored); RUN(trace); RUN(notif); RUN(log_); RUN(kill_thread); RUN(kill_process); RUN(unknown); RUN(inherited);
	RUN(refusals);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (sizeof(long) == 8) lengths();
	for (int i = 0; i < 100; i++) program(0);
	for (int i = 0; i < 100; i++) program(1);
	return 0;
}
`;

describe.runIf(requireTool("gcc"))("as natively", () => {
  test.each([
    ["-m64", "x86_64"],
    ["-m32", "x86_64"],
    ["-m32", "i386"],
  ] as const)(
    "%s on %s: every action, every refusal, and random programs",
    (bits, arch) => {
      const program = compile(C, bits, "-w");
      const expected = native(program);
      expect(expected).toMatchObject({ status: 0, signal: null });
      const lines = new TextDecoder().decode(expected.stdout).split("\n");
      const { text, stop } = run(elf(program), { arch }, 60_000_000);
      expect(text.split("\n")).toEqual(lines);
      expect(stop).toEqual({ kind: "exit", status: 0 });
      // both kinds of random programs are both accepted and refused, or it would prove little
      expect(lines.filter((line) => /^\d+ \d+$/.test(line)).length).toBeGreaterThan(60);
      expect(lines.filter((line) => line.startsWith("refused 22")).length).toBeGreaterThan(30);
    },
    240_000,
  );
});

test("a filter is asked by a flag in guest memory, and not on the way of calls without it", () => {
  const text = `
	.globl _start
_start:	mov $157, %eax			# prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)
	mov $22, %edi
	mov $1, %esi
	syscall
	mov $1, %eax			# write(1, 0, 0)
	mov $1, %edi
	xor %esi, %esi
	xor %edx, %edx
	syscall
	mov $39, %eax			# getpid, which is not allowed
	syscall
`;
  const ran = run(source(text), { cpus: 1 });
  expect(ran.stop).toEqual({ kind: "exit", status: 137, signal: 9 });
  const asked = ran.events.filter((e) => e.type === "exit-work" && e.item === "syscall_trace_enter");
  expect(asked.map((e) => e.flags)).toEqual([["SECCOMP"], ["SECCOMP"]]);
  expect(ran.events.filter((e) => e.type === "seccomp")).toMatchObject([{ action: "KILL_THREAD", nr: 39 }]);
  // a filter changes nothing of pt_regs
  expect(exits(ran.events).map((e) => e.instruction)).toEqual(["iret", "sysret", "sysret"]);
});
