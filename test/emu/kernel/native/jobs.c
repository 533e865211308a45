/* Stops and continues as a parent sees them, robust locks, and a vfork child that shares memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t children, last_code;
static void on_child(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  children++;
  last_code = info->si_code;
}

static void tell(const char *what, pid_t pid, int options) {
  int status = 0;
  pid_t got;
  while ((got = waitpid(pid, &status, options)) < 0 && errno == EINTR);
  printf("%s: %s", what, got == pid ? "" : got == 0 ? "nothing yet " : strerrorname_np(errno));
  if (got == pid && WIFSTOPPED(status)) printf("stopped by %d", WSTOPSIG(status));
  else if (got == pid && WIFCONTINUED(status)) printf("continued");
  else if (got == pid && WIFEXITED(status)) printf("exited with %d", WEXITSTATUS(status));
  else if (got == pid) printf("killed by %d", WTERMSIG(status));
  printf("\n");
}

static void job_control(void) {
  struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO};
  sigaction(SIGCHLD, &action, NULL);
  pid_t pid = fork();
  if (pid == 0) for (;;) pause();
  tell("at first", pid, WNOHANG | WUNTRACED | WCONTINUED);
  kill(pid, SIGSTOP);
  tell("SIGSTOP", pid, WUNTRACED);
  printf("signals %d, code %d\n", (int)children, (int)last_code);
  tell("told once", pid, WNOHANG | WUNTRACED);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  kill(pid, SIGSTOP);
  printf("waitid %d", waitid(P_PID, pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT));
  printf(", signo %d\n", info.si_signo);
  kill(pid, SIGCONT);
  tell("SIGCONT", pid, WCONTINUED);
  kill(pid, SIGTERM);
  tell("then SIGTERM", pid, 0);
  tell("nobody left", pid, 0);
  printf("last code %d\n", (int)last_code);
  signal(SIGCHLD, SIG_IGN);
  if ((pid = fork()) == 0) _exit(1);
  tell("ignored", pid, 0);
  signal(SIGCHLD, SIG_DFL);
}

static pthread_mutex_t robust;
static void *dies(void *arg) {
  pthread_mutex_lock(&robust);
  return arg;
}
static void robust_locks(void) {
  pthread_mutexattr_t attributes;
  pthread_t thread;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &attributes);
  pthread_create(&thread, NULL, dies, NULL);
  pthread_join(thread, NULL);
  int error = pthread_mutex_lock(&robust);
  printf("lock of the dead: %s\n", strerrorname_np(error));
  printf("consistent %d", pthread_mutex_consistent(&robust));
  printf(", unlock %d", pthread_mutex_unlock(&robust));
  printf(", lock %d\n", pthread_mutex_lock(&robust));
}

static volatile int shared;
static char stack[65536];
static int closes(void *arg) {
  shared = 5;
  return close(*(int *)arg) == 0 ? 4 : 1;
}
static void sharing(void) {
  int fd = dup(1);
  int pid = clone(closes, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, &fd);
  tell("clone with files", pid, 0);
  printf("shared %d, closed here too: %d\n", shared, dup(fd) < 0);
  fd = dup(1);
  pid = clone(closes, stack + sizeof stack, CLONE_VM | SIGCHLD, &fd);
  tell("clone without", pid, 0);
  printf("still open here: %d\n", close(fd) == 0);
  pid = vfork();
  if (pid == 0) {
    shared = 6;
    _exit(2);
  }
  printf("after vfork %d\n", shared);
  tell("vfork", pid, 0);
  pid = clone(closes, stack + sizeof stack, CLONE_VM, &fd);
  tell("no signal", pid, WNOHANG);
  tell("no signal", pid, __WCLONE);
}

static void groups(void) {
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    for (;;) pause();
  }
  setpgid(pid, pid);
  printf("group %d, session ours %d\n", getpgid(pid) == pid, getsid(pid) == getsid(0));
  kill(-pid, SIGUSR1);
  tell("by its group", pid, 0);
  if ((pid = fork()) == 0) _exit(setsid() == getpid() && getpgrp() == getpid() ? 0 : 1);
  tell("setsid", pid, 0);
  printf("to nobody %d", kill(999999, 0));
  printf(" %s\n", strerrorname_np(errno));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  job_control();
  robust_locks();
  sharing();
  groups();
  return 0;
}
