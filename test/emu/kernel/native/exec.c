/* execve of itself: what is kept, what is not, and what fails. argv[1] says which part of the story this is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void ignore(int sig) { (void)sig; }
static const char *handler_of(int sig) {
  struct sigaction action;
  sigaction(sig, NULL, &action);
  return action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "handler";
}

static void report(char **argv) {
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, NULL, &blocked);
  printf("%s: FOO=%s, USR1 %s, USR2 %s, TERM blocked %d\n", argv[1], getenv("FOO"), handler_of(SIGUSR1), handler_of(SIGUSR2),
         sigismember(&blocked, SIGTERM));
  printf("kept %d, closed on exec %d\n", fcntl(50, F_GETFD), fcntl(51, F_GETFD));
  stack_t stack;
  sigaltstack(NULL, &stack);
  printf("no alternate stack %d, umask %o\n", !!(stack.ss_flags & SS_DISABLE), umask(0));
}

static int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void *in_thread(void *arg) {
  char *args[] = {"other-name", "from-thread", NULL};
  (void)arg;
  execv("/proc/self/exe", args);
  return NULL;
}

static void *forever(void *arg) {
  for (;;) pause();
  return arg;
}

static void failures(void) {
  char *args[] = {"x", NULL};
  execv("/no/such/file", args);
  printf("missing: %s\n", strerrorname_np(errno));
  execv("", args);
  printf("empty: %s\n", strerrorname_np(errno));
  execv((char *)8, args);
  printf("bad path: %s\n", strerrorname_np(errno));
  execv("/proc/self/exe", (char **)8);
  printf("bad list: %s\n", strerrorname_np(errno));
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1 && strcmp(argv[1], "after-exec") == 0) {
    report(argv);
    return 7;
  }
  if (argc > 1 && strcmp(argv[1], "from-thread") == 0) {
    printf("%s has pid of the process %d\n", argv[0], getpid() == gettid());
    return 9;
  }
  failures();
  int fds[2];
  pipe(fds);
  dup2(fds[0], 50);
  dup3(fds[1], 51, O_CLOEXEC);
  signal(SIGUSR1, ignore);
  signal(SIGUSR2, SIG_IGN);
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, NULL);
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, NULL);
  umask(027);
  char *args[] = {argv[0], "after-exec", NULL};
  char *env[] = {"FOO=bar", NULL};
  pid_t child = vfork();
  if (child == 0) {
    execve("/proc/self/exe", args, env);
    _exit(1);
  }
  printf("after vfork: %d\n", wait_for(child));
  if ((child = fork()) == 0) {
    pthread_t a, b;
    pthread_create(&a, NULL, forever, NULL);
    pthread_create(&b, NULL, in_thread, NULL);
    forever(NULL);
  }
  printf("from a thread: %d\n", wait_for(child));
  return 0;
}
