/* A tracer and its tracees: stops, registers, memory, events, steps, signals. Prints no pids and no addresses. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#define IP rip
#define AX rax
#define ORIG orig_rax
#define ARG rdi
#define SS ss
#else
#define IP eip
#define AX eax
#define ORIG orig_eax
#define ARG ebx
#define SS xss
#endif

static volatile long word = 0x1234;

static const char *event_name(int status) {
  static const char *const names[] = {"none", "fork", "vfork", "clone", "exec", "vfork-done", "exit"};
  int event = status >> 16;
  return event == PTRACE_EVENT_STOP ? "stop" : names[event];
}

static int next(pid_t pid, const char *what) {
  int status = 0;
  pid_t got = waitpid(pid, &status, __WALL);
  if (got != pid) printf("%s: waitpid %s\n", what, strerrorname_np(errno));
  else if (WIFSTOPPED(status)) printf("%s: stopped by %d, event %s\n", what, WSTOPSIG(status), event_name(status));
  else if (WIFEXITED(status)) printf("%s: exited with %d\n", what, WEXITSTATUS(status));
  else printf("%s: killed by %d\n", what, WTERMSIG(status));
  return status;
}

static pid_t start(void (*body)(void)) {
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    body();
    _exit(42);
  }
  next(pid, "start");
  return pid;
}

static void calls(void) {
  syscall(SYS_getppid);
  syscall(SYS_getpid, 1, 2, 3);
}

static void syscalls(void) {
  pid_t pid = start(calls);
  struct user_regs_struct regs;
  ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
  for (int i = 0; i < 6; i++) {
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    if (!WIFSTOPPED(next(pid, i % 2 ? "exit" : "enter"))) return;
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    if (i % 2 == 0 && (long)regs.ORIG == SYS_getppid) {
      regs.ORIG = SYS_close;
      regs.ARG = (unsigned long)-1;
      ptrace(PTRACE_SETREGS, pid, 0, &regs);
    } else if (i % 2) {
      printf("call %ld gives %s\n", (long)regs.ORIG, (long)regs.AX < 0 ? strerrorname_np(-(long)regs.AX) : "no error");
      regs.AX = (unsigned long)-EPERM;
      if ((long)regs.ORIG == SYS_getpid) ptrace(PTRACE_SETREGS, pid, 0, &regs);
    }
  }
  ptrace(PTRACE_KILL, pid, 0, 0);
  next(pid, "after KILL");
}

static void information(void) {
  pid_t pid = start(calls);
  struct __ptrace_syscall_info info;
  ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
  for (int i = 0; i < 4; i++) {
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    next(pid, "call");
    memset(&info, 0, sizeof info);
    long size = ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
    printf("op %d, %ld bytes, arch %x", info.op, size, info.arch);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) printf(", nr %lld args %lld", (long long)info.entry.nr, i == 2 ? (long long)info.entry.args[2] : 3);
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) printf(", error %d", info.exit.is_error);
    printf("\n");
  }
  printf("detach %ld\n", ptrace(PTRACE_DETACH, pid, 0, 0));
  next(pid, "end");
}

static void spin(void) {
  for (volatile int i = 0; i < 1000; i++);
}

static void memory(void) {
  pid_t pid = start(spin);
  errno = 0;
  printf("peek %lx\n", ptrace(PTRACE_PEEKDATA, pid, &word, 0));
  printf("poke %ld", ptrace(PTRACE_POKEDATA, pid, &word, 0x4321));
  printf(", peek %lx, here %lx\n", ptrace(PTRACE_PEEKDATA, pid, &word, 0), word);
  unsigned long text = (unsigned long)spin & ~(sizeof(long) - 1);
  long code = ptrace(PTRACE_PEEKTEXT, pid, text, 0);
  printf("poke text %ld", ptrace(PTRACE_POKETEXT, pid, text, ~code));
  printf(", differs %d\n", ptrace(PTRACE_PEEKTEXT, pid, text, 0) == ~code);
  ptrace(PTRACE_POKETEXT, pid, text, code);
  printf("nowhere %ld", ptrace(PTRACE_PEEKDATA, pid, 16, 0));
  printf(" %s\n", strerrorname_np(errno));
  printf("user beyond %ld", ptrace(PTRACE_PEEKUSER, pid, sizeof(struct user) + 64, 0));
  printf(" %s\n", strerrorname_np(errno));
  printf("user odd %ld", ptrace(PTRACE_PEEKUSER, pid, 3, 0));
  printf(" %s\n", strerrorname_np(errno));
  printf("ss %lx\n", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs) + offsetof(struct user_regs_struct, SS), 0) & 3);
  char buffer[sizeof(long)];
  struct iovec local = {buffer, sizeof buffer}, remote = {(void *)&word, sizeof word};
  printf("process_vm_readv %d", (int)process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof word);
  printf(" %lx\n", *(long *)buffer);
  *(long *)buffer = 0x77;
  printf("process_vm_writev %d", (int)process_vm_writev(pid, &local, 1, &remote, 1, 0) == sizeof word);
  printf(" %lx\n", ptrace(PTRACE_PEEKDATA, pid, &word, 0));
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "end");
}

static void stepped(void) {
  __asm__ volatile("nop\n\tnop\n\tpushf\n\tpop %%" 
#ifdef __x86_64__
                   "rax"
#else
                   "eax"
#endif
                   "\n\tint3\n\tnop" ::: "ax", "memory");
}

static void steps(void) {
  pid_t pid = start(stepped);
  struct user_regs_struct before, after;
  int one = 0, others = 0, status;
  for (int i = 0; i < 20000; i++) {
    ptrace(PTRACE_GETREGS, pid, 0, &before);
    ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) break;
    ptrace(PTRACE_GETREGS, pid, 0, &after);
    siginfo_t info;
    ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
    if (WSTOPSIG(status) != SIGTRAP || info.si_code == SI_KERNEL) {
      printf("int3: signal %d code %d\n", WSTOPSIG(status), info.si_code);
      break;
    }
    if (after.IP == before.IP + 1) one++;
    else others++;
    if (after.eflags & 0x100) printf("TF shows\n");
  }
  printf("steps happened %d %d\n", one > 2, others > 2);
  ptrace(PTRACE_CONT, pid, 0, SIGTERM);
  next(pid, "with SIGTERM");
}

static void with_child(void) {
  pid_t child = fork();
  if (child == 0) _exit(3);
  waitpid(child, NULL, 0);
}

static void events(void) {
  pid_t pid = start(with_child);
  unsigned long child = 0, status = 0;
  ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE);
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "parent");
  ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
  next((pid_t)child, "child");
  ptrace(PTRACE_CONT, pid, 0, 0);
  ptrace(PTRACE_CONT, (pid_t)child, 0, 0);
  next((pid_t)child, "child");
  ptrace(PTRACE_GETEVENTMSG, (pid_t)child, 0, &status);
  printf("exit message %lx\n", status);
  ptrace(PTRACE_CONT, (pid_t)child, 0, 0);
  next((pid_t)child, "child");
  next(pid, "parent");
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "parent");
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "parent");
}

static void execs(void) {
  char *args[] = {"x", "exit", NULL};
  execv("/proc/self/exe", args);
}

static void at_exec(int option) {
  pid_t pid = start(execs);
  ptrace(PTRACE_SETOPTIONS, pid, 0, option);
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "at exec");
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "at exec");
}

static volatile sig_atomic_t caught;
static void on_signal(int sig) { caught = sig; }
static void signals_body(void) {
  signal(SIGUSR1, on_signal);
  signal(SIGUSR2, on_signal);
  raise(SIGUSR1);
  _exit(caught);
}

static void signals(int instead) {
  pid_t pid = start(signals_body);
  siginfo_t info;
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "signal");
  ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
  printf("signo %d code %d from itself %d\n", info.si_signo, info.si_code, info.si_pid == pid);
  ptrace(PTRACE_CONT, pid, 0, instead);
  next(pid, "signal");
}

static void loop(void) {
  for (;;) pause();
}

static void seized(void) {
  pid_t pid = fork();
  if (pid == 0) loop();
  printf("seize %ld\n", ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL));
  printf("again %ld", ptrace(PTRACE_ATTACH, pid, 0, 0));
  printf(" %s\n", strerrorname_np(errno));
  printf("not stopped %ld", ptrace(PTRACE_CONT, pid, 0, 0));
  printf(" %s\n", strerrorname_np(errno));
  ptrace(PTRACE_INTERRUPT, pid, 0, 0);
  next(pid, "interrupt");
  ptrace(PTRACE_CONT, pid, 0, 0);
  kill(pid, SIGSTOP);
  next(pid, "SIGSTOP");
  ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
  next(pid, "group stop");
  printf("listen %ld\n", ptrace(PTRACE_LISTEN, pid, 0, 0));
  kill(pid, SIGCONT);
  next(pid, "SIGCONT, trap");
  ptrace(PTRACE_CONT, pid, 0, 0);
  next(pid, "SIGCONT, signal");
  ptrace(PTRACE_CONT, pid, 0, 0);
  kill(pid, SIGKILL);
  next(pid, "end");
}

static void attached(void) {
  pid_t pid = fork();
  if (pid == 0) loop();
  printf("attach %ld\n", ptrace(PTRACE_ATTACH, pid, 0, 0));
  next(pid, "attached");
  struct user_regs_struct regs;
  char bytes[4096];
  struct iovec set = {&regs, sizeof regs};
  printf("PRSTATUS %ld", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &set));
  printf(", %zu bytes of %zu\n", set.iov_len, sizeof regs);
  set = (struct iovec){bytes, 3};
  printf("odd length %ld", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &set));
  printf(" %s\n", strerrorname_np(errno));
  set = (struct iovec){bytes, sizeof bytes};
  printf("XSTATE %ld", ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &set));
  printf(", more than FXSAVE %d\n", set.iov_len > 512);
  set = (struct iovec){bytes, sizeof bytes};
  printf("unknown %ld", ptrace(PTRACE_GETREGSET, pid, 0x7777, &set));
  printf(" %s\n", strerrorname_np(errno));
  struct user_fpregs_struct fp;
  printf("FPREGS %ld", ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
  printf(", cw %x\n", (unsigned)fp.cwd & 0xffff);
  fp.cwd = (fp.cwd & ~0xffff) | 0x27f;
  printf("set %ld", ptrace(PTRACE_SETFPREGS, pid, 0, &fp));
  ptrace(PTRACE_GETFPREGS, pid, 0, &fp);
  printf(", cw %x\n", (unsigned)fp.cwd & 0xffff);
  regs.IP += 0;
  printf("bad CS %ld", ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs) + offsetof(struct user_regs_struct,
#ifdef __x86_64__
                                                                                     cs
#else
                                                                                     xcs
#endif
                                                                                     ), 0));
  printf(" %s\n", strerrorname_np(errno));
  printf("detach %ld\n", ptrace(PTRACE_DETACH, pid, 0, 0));
  kill(pid, SIGTERM);
  next(pid, "end");
}

int main(int argc, char **argv) {
  if (argc > 1) return strcmp(argv[1], "exit") == 0 ? 5 : 6;
  setvbuf(stdout, NULL, _IONBF, 0);
  syscalls();
  information();
  memory();
  steps();
  events();
  at_exec(PTRACE_O_TRACEEXEC);
  at_exec(0);
  signals(SIGUSR1);
  signals(SIGUSR2);
  signals(0);
  seized();
  attached();
  printf("nobody %ld", ptrace(PTRACE_CONT, 999999, 0, 0));
  printf(" %s\n", strerrorname_np(errno));
  return 0;
}
