// A program with an interpreter: where it, the interpreter and libraries lie, a library loaded later, thread-local data of both, and scripts.
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread int own = 5;
static char exe[4096];

static int countObject(struct dl_phdr_info *info, size_t size, void *count) {
  ++*(int *)count;
  return 0;
}

static void *thread(void *unused) {
  own += 2;
  errno = 33;
  return (void *)(long)(own * 100 + errno);
}

static void places(void) {
  extern const ElfW(Ehdr) __ehdr_start;
  extern void _start(void);
  const ElfW(Ehdr) *interpreter = (void *)getauxval(AT_BASE);
  printf("interpreter %.3s, type %d\n", (char *)interpreter + 1, interpreter->e_type);
  printf("entry %d, headers %d\n", getauxval(AT_ENTRY) == (unsigned long)_start,
         getauxval(AT_PHDR) == (unsigned long)&__ehdr_start + __ehdr_start.e_phoff);
  printf("break behind the program: %d\n", (char *)sbrk(0) > (char *)&__ehdr_start);
  int objects = 0;
  dl_iterate_phdr(countObject, &objects);
  printf("%d objects\n", objects);
}

// of each mapping of libc: rights and offset; its inode is stat's
static void maps(void) {
  FILE *file = fopen("/proc/self/maps", "r");
  char line[4200];
  while (fgets(line, sizeof line, file) != NULL) {
    char rights[8], path[4096] = "";
    unsigned long offset, inode;
    sscanf(line, "%*s %7s %lx %*s %lu %4095s", rights, &offset, &inode, path);
    if (strstr(path, "libc.so") == NULL || strcmp(rights, "r-xp") != 0) continue;
    struct stat found;
    printf("libc's code: offset %lx, ", offset);
    printf("inode %s\n", stat(path, &found) == 0 && found.st_ino == inode ? "as stat's" : "another");
  }
  fclose(file);
}

static void later(void) {
  void *math = dlopen("libm.so.6", RTLD_NOW);
  double (*cosine)(double) = (double (*)(double))dlsym(math, "cos");
  printf("cos(0.5) = %.12f\n", cosine(0.5));
  printf("no such library: %d\n", dlopen("libnothing.so", RTLD_NOW) == NULL);
}

static void run(const char *name, const char *text) {
  int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);
  dprintf(fd, text, exe);
  close(fd);
  fflush(stdout);
  int status;
  if (fork() == 0) {
    char *args[] = {"first", "second", "third", NULL};
    execv(name, args);
    printf("%s: %s\n", name, strerror(errno));
    fflush(stdout);
    _exit(0);
  }
  wait(&status);
}

int main(int argc, char **argv) {
  if (argc > 2) {
    printf("run as a script:");
    for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
    printf("; AT_EXECFN %s\n", (char *)getauxval(AT_EXECFN));
    return 0;
  }
  setvbuf(stdout, NULL, _IOFBF, 4096);
  exe[readlink("/proc/self/exe", exe, sizeof exe - 1)] = 0;
  places();
  maps();
  later();
  pthread_t other;
  void *result;
  pthread_create(&other, NULL, thread, NULL);
  pthread_join(other, &result);
  printf("thread %ld, main %d\n", (long)result, own);
  run("plain", "#!%s\n");
  run("word", "#! \t%s  one  two \nrest\n");
  run("script", "#!word\n");
  run("none", "#!\n%.0s");
  run("missing", "#!/no/such/interpreter\n%.0s");
  run("self", "#!self\n%.0s");
  run("text", "just text %.0s\n");
  return 3;
}
