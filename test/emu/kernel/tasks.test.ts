/** Tasks: fork, threads, waiting, sleeping and signals between processes, as the host's kernel has them. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { compile, elf, native, run, system, watch } from "./kit.ts";

const KERNELS = [
  ["-m64", "x86_64", 2],
  ["-m64", "x86_64", 1],
  ["-m32", "x86_64", 2],
  ["-m32", "i386", 2],
  ["-m32", "i386", 1],
] as const;

/** What each program prints does not depend on who runs first. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "fork: memory is copied when written, and the status comes back": `
    int shared_not = 1;
    int main(void) {
      int *shared = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      char *big = malloc(1 << 20);
      memset(big, 'a', 1 << 20);
      pid_t pid = fork();
      if (pid == 0) { shared_not = 2; big[5000] = 'b'; *shared = 7; printf("child %d %d %c\\n", getppid() > 0, shared_not, big[5000]); fflush(stdout); _exit(big[5000]); }
      int status;
      CHECK(waitpid(pid, &status, 0) == pid);
      printf("parent %d %c %d exited %d status %d\\n", shared_not, big[5000], *shared, WIFEXITED(status), WEXITSTATUS(status));
      CHECK(wait(&status) == -1 && errno == ECHILD);
      return 3;
    }`,
  "vfork and a chain of children": `
    int main(void) {
      volatile int seen = 0;
      if (vfork() == 0) { seen = 1; _exit(0); }
      printf("vfork %d\\n", seen);
      wait(0);
      fflush(stdout);
      int depth = 0, status = 0;
      while (depth < 5 && fork() == 0) depth++;
      if (depth < 5) wait(&status);
      if (depth > 0) _exit(WEXITSTATUS(status) + 1);
      printf("depth %d\\n", WEXITSTATUS(status));
      return 0;
    }`,
  "a signal ends a child, and SIGCHLD says so": `
    static volatile int code, status_of;
    static void chld(int sig, siginfo_t *si, void *u) { code = si->si_code; status_of = si->si_status; }
    int main(void) {
      struct sigaction sa = { .sa_sigaction = chld, .sa_flags = SA_SIGINFO | SA_RESTART };
      sigaction(SIGCHLD, &sa, 0);
      pid_t pid = fork();
      if (pid == 0) { for (;;) pause(); }
      usleep(100);
      CHECK(kill(pid, 0) == 0);
      CHECK(kill(pid, SIGTERM) == 0);
      int status;
      CHECK(waitpid(pid, &status, 0) == pid);
      printf("signaled %d by %d, si_code %d si_status %d\\n", WIFSIGNALED(status), WTERMSIG(status), code, status_of);
      CHECK(kill(pid, 0) == -1 && errno == ESRCH);
      siginfo_t si = { 0 };
      if (fork() == 0) { volatile int *p = 0; *p = 1; }
      CHECK(waitid(P_ALL, 0, &si, WEXITED) == 0);
      printf("waitid %d %d\\n", si.si_code == CLD_DUMPED || si.si_code == CLD_KILLED, si.si_status);
      return 0;
    }`,
  "threads: stacks, thread-local storage, mutexes, join": `
    static __thread int mine = 5;
    static int total; static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static double sums[4];
    static void *work(void *arg) {
      long n = (long)arg; double x = 0;
      for (int i = 0; i < 1000; i++) { x += n * 0.5; pthread_mutex_lock(&lock); total++; pthread_mutex_unlock(&lock); mine++; if (i % 500 == 0) sched_yield(); }
      sums[n] = x;
      return (void *)(long)mine;
    }
    int main(void) {
      pthread_t t[4]; void *r;
      for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, work, (void *)i);
      for (int i = 0; i < 4; i++) { pthread_join(t[i], &r); printf("%ld %f\\n", (long)r, sums[i]); }
      printf("%d %d\\n", total, mine);
      return 0;
    }`,
  "condition variables with a timeout, and exit_group with threads that spin": `
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t c = PTHREAD_COND_INITIALIZER; static int go;
    static void *waiter(void *a) { pthread_mutex_lock(&m); while (!go) pthread_cond_wait(&c, &m); go = 2; pthread_cond_signal(&c); pthread_mutex_unlock(&m); for (;;); }
    int main(void) {
      pthread_t t; struct timespec ts;
      pthread_create(&t, 0, waiter, 0);
      pthread_mutex_lock(&m);
      clock_gettime(CLOCK_REALTIME, &ts); ts.tv_nsec += 200000; if (ts.tv_nsec > 999999999) { ts.tv_sec++; ts.tv_nsec -= 1000000000; }
      CHECK(pthread_cond_timedwait(&c, &m, &ts) == ETIMEDOUT);
      go = 1; pthread_cond_broadcast(&c);
      while (go != 2) pthread_cond_wait(&c, &m);
      printf("woken\\n");
      return 9;
    }`,
  "sleeping: the clock moves on, and signals interrupt": `
    static void nothing(int s) {}
    int main(void) {
      struct timespec a, b, d = { 0, 3000000 }, left;
      clock_gettime(CLOCK_MONOTONIC, &a);
      CHECK(nanosleep(&d, 0) == 0);
      clock_gettime(CLOCK_MONOTONIC, &b);
      CHECK((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec >= 3000000);
      struct sigaction sa = { .sa_handler = nothing };
      sigaction(SIGUSR1, &sa, 0);
      pid_t parent = getpid();
      sigset_t set, none; sigemptyset(&none); sigemptyset(&set); sigaddset(&set, SIGUSR1);
      sigprocmask(SIG_BLOCK, &set, 0);
      if (fork() == 0) { kill(parent, SIGUSR1); _exit(0); }
      CHECK(sigsuspend(&none) == -1 && errno == EINTR);
      wait(0);
      sigprocmask(SIG_UNBLOCK, &set, 0);
      if (fork() == 0) { struct timespec w = { 0, 20000000 }; nanosleep(&w, 0); kill(parent, SIGUSR1); _exit(0); }
      struct timespec wait_long = { 100, 0 };
      CHECK(nanosleep(&wait_long, &left) == -1 && errno == EINTR && left.tv_sec == 99);
      printf("slept\\n");
      return 0;
    }`,
  affinity: `
    int main(void) {
      cpu_set_t set; CPU_ZERO(&set); CPU_SET(0, &set);
      CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
      CHECK(sched_getcpu() == 0);
      CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1);
      CPU_ZERO(&set);
      CHECK(sched_setaffinity(0, sizeof set, &set) == -1 && errno == EINVAL);
      printf("pinned\\n");
      return 0;
    }`,
};
const HEAD = `#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define CHECK(x) do { if (!(x)) printf("not so: %s (errno %d)\\n", #x, errno); } while (0)
`;

const built = new Map<string, Uint8Array>();
function program(name: string, flag: string): Uint8Array {
  const key = `${flag} ${name}`;
  const bytes = built.get(key) ?? compile(HEAD + PROGRAMS[name]!, flag, "-pthread");
  built.set(key, bytes);
  return bytes;
}

describe.runIf(requireTool("gcc")).each(Object.keys(PROGRAMS))("%s", (name) => {
  test.each(KERNELS)("%s on the %s kernel, %i CPUs: as natively", (flag, arch, cpus) => {
    const bytes = program(name, flag);
    const here = run(elf(bytes), { arch, cpus }, 80_000_000);
    const there = native(bytes);
    expect(here.text).toBe(there.stdout.toString());
    expect(here.stop).toEqual({ kind: "exit", status: there.status });
    expect(here.events.filter((e) => e.type === "unimplemented")).toEqual([]);
  });
});

test.runIf(requireTool("gcc"))(
  "a run with threads is the same each time, in one piece or in slices, and from a snapshot",
  () => {
    const bytes = program(Object.keys(PROGRAMS)[3]!, "-m64");
    const whole = system(elf(bytes));
    const seen = watch(whole);
    const end = whole.run(80_000_000);
    expect(end.kind).toBe("exit");
    const hash = whole.machine.hash();
    const sliced = system(elf(bytes));
    const later = watch(sliced);
    let stop = sliced.run(7777);
    let middle = sliced.machine.save();
    for (let i = 0; stop.kind === "budget"; i++) {
      stop = sliced.run(7777);
      if (i === 40) middle = sliced.machine.save();
    }
    expect(later.stdout()).toEqual(seen.stdout());
    expect(sliced.machine.hash()).toBe(hash);
    sliced.machine.restore(middle);
    sliced.run(80_000_000);
    expect(sliced.machine.hash()).toBe(hash);
  },
);
