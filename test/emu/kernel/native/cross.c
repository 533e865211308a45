/* Programs of both sizes that begin each other: what a tracer sees of the call that came from one and returns to the other. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#define ORIG_AX offsetof(struct user, regs.orig_rax)
#else
#define ORIG_AX offsetof(struct user, regs.orig_eax)
#endif
#define STOPS 6

static void look(pid_t pid, int status) {
  struct __ptrace_syscall_info info;
  memset(&info, 0, sizeof info);
  long size = ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info);
  errno = 0;
  int nr = (int)ptrace(PTRACE_PEEKUSER, pid, (void *)ORIG_AX, 0);
  printf("  status %#x op %d arch %#x orig_ax %d size %d\n", status >> 8, info.op, info.arch, nr, size > 0);
}

/* Stops from the call itself on. */
static void watch(const char *other, long options) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    char *const args[] = {(char *)other, NULL};
    execv(other, args);
    _exit(99);
  }
  int status;
  waitpid(pid, &status, 0);
  ptrace(PTRACE_SETOPTIONS, pid, 0, (void *)(options | PTRACE_O_TRACESYSGOOD));
  printf("options %#lx\n", options);
  int left = -1;
  for (;;) {
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    if (waitpid(pid, &status, 0) != pid || WIFEXITED(status)) break;
    struct __ptrace_syscall_info info;
    memset(&info, 0, sizeof info);
    ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info);
    int begins = info.op == PTRACE_SYSCALL_INFO_ENTRY && (info.entry.nr == 59 || info.entry.nr == 11);
    if (left < 0 && begins) left = STOPS;
    if (left > 0) {
      look(pid, status);
      left--;
    }
  }
  printf("ended with %#x\n", status);
}

int main(int argc, char **argv) {
  if (strstr(argv[0], "other")) return 7;
  watch("./other", 0);
  watch("./other", PTRACE_O_TRACEEXEC);
  return 0;
}
