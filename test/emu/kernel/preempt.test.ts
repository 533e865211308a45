/** Kernel preemption: an interrupt's return into the kernel schedules, and what was interrupted goes on as if nothing had been. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { compile, elf, native, run } from "./kit.ts";

/** Four processes in a ring of pipes and two threads each that yield: system calls all the time, on two processors. */
const PROGRAM = `
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static long sum[2];
static void *work(void *at) {
  long *mine = at;
  for (int i = 0; i < 300; i++) { *mine += getppid() > 0; if (i % 7 == 0) sched_yield(); }
  return 0;
}
int main(void) {
  int done = 0;
  for (int n = 0; n < 3; n++) {
    pid_t child = fork();
    if (child == 0) {
      pthread_t t[2];
      for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, work, &sum[i]);
      for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
      _exit(sum[0] + sum[1] == 600 ? n + 1 : 99);
    }
  }
  for (int n = 0; n < 3; n++) { int status; wait(&status); done += WEXITSTATUS(status); }
  printf("%d\\n", done);
  return 0;
}
`;

describe.runIf(requireTool("gcc"))("a preempted kernel", () => {
  test.each(["none", "full"])("%s: processes and threads end as natively", (preempt) => {
    const bytes = compile(PROGRAM);
    // ticks in the middle of system calls, which a first-come-first-served scheduler would leave alone
    const inject = [
      { at: "do_syscall_x64", event: "tif:NEED_RESCHED", count: 400 },
      { at: "do_syscall_x64", event: "irq", count: 400 },
    ];
    const ran = run(elf(bytes), { designs: { preempt }, inject }, 60_000_000);
    expect(ran.stop).toEqual({ kind: "exit", status: 0 });
    expect(ran.text).toBe(native(bytes).stdout.toString());
    const preempted = ran.events.filter((e) => e.item === "preempt_schedule_irq").length;
    expect(preempted > 50).toBe(preempt === "full");
  });
});
