/* Directories, names, lengths and copies: what this prints must not depend on who runs it. Works in an empty directory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

static void show(const char *what, long result) {
  printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerrorname_np(errno) : "");
}

static void make(const char *name, const char *text) {
  int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (write(fd, text, strlen(text)) < 0) perror(name);
  close(fd);
}

static void print(const char *name) {
  char buffer[64];
  int fd = open(name, O_RDONLY);
  long n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
  if (n < 0) show(name, n);
  else printf("%s has %ld: %.*s\n", name, n, (int)n, buffer);
  if (fd >= 0) close(fd);
}

static void list(const char *name) {
  struct dirent **entries;
  int n = scandir(name, &entries, NULL, alphasort);
  if (n < 0) {
    show(name, n);
    return;
  }
  printf("%s:", name);
  for (int i = 0; i < n; i++) printf(" %s%s", entries[i]->d_name, entries[i]->d_type == DT_DIR ? "/" : "");
  printf("\n");
}

static void names(void) {
  show("mkdir", mkdir("d", 0755));
  show("mkdirat", mkdirat(AT_FDCWD, "d/inner", 0755));
  make("d/a", "alpha");
  make("d/b", "beta");
  list("d");
  show("rename", rename("d/a", "d/c"));
  show("renameat2", renameat2(AT_FDCWD, "d/b", AT_FDCWD, "d/c", RENAME_NOREPLACE));
  show("over", rename("d/b", "d/c"));
  print("d/c");
  list("d");
  show("nothing", rename("d/none", "d/x"));
  show("file to directory", rename("d/c", "d/inner"));
  show("directory to file", rename("d/inner", "d/c"));
  show("into itself", rename("d", "d/inner/d"));
  show("moved", rename("d", "e"));
  list("d");
  list("e");
  print("e/c");
  show("to a full one", (mkdir("f", 0755), rename("f", "e")));
  show("to an empty one", rename("f", "e/inner"));
  show("not a directory", rename("e/c", "e/c/d"));
}

static void many(void) {
  mkdir("many", 0755);
  char name[64];
  for (int i = 0; i < 100; i++) {
    snprintf(name, sizeof name, "many/a-rather-long-name-of-a-file-%03d", i);
    make(name, "");
  }
  DIR *dir = opendir("many");
  int n = 0;
  while (readdir(dir)) n++;
  rewinddir(dir);
  int again = 0;
  while (readdir(dir)) again++;
  closedir(dir);
  printf("%d and %d entries\n", n, again);
}

static void lengths(void) {
  make("l", "0123456789");
  show("truncate", truncate("l", 4));
  print("l");
  int fd = open("l", O_RDWR);
  show("ftruncate", ftruncate(fd, 6));
  struct stat st;
  fstat(fd, &st);
  printf("size %ld\n", (long)st.st_size);
  show("pwrite", pwrite(fd, "xy", 2, 8));
  char buffer[16] = {0};
  show("pread", pread(fd, buffer, 16, 0));
  for (int i = 0; i < 10; i++) printf("%02x", buffer[i]);
  printf("\nat %ld\n", (long)lseek(fd, 0, SEEK_CUR));
  show("negative", ftruncate(fd, -1));
  close(fd);
  fd = open("l", O_RDONLY);
  show("read only", ftruncate(fd, 0));
  close(fd);
  show("directory", truncate("many", 0));
}

static void unlinked(void) {
  char buffer[16] = {0};
  int fd = open("u", O_CREAT | O_RDWR, 0600);
  show("unlink", unlink("u"));
  show("gone", access("u", F_OK));
  show("write", write(fd, "still here", 10));
  make("u", "another");
  lseek(fd, 0, SEEK_SET);
  show("read", read(fd, buffer, 10));
  printf("%s\n", buffer);
  close(fd);
  print("u");
  show("rmdir by unlinkat", unlinkat(AT_FDCWD, "e/inner", AT_REMOVEDIR));
  show("unlink of a directory", unlink("e"));
  show("rmdir of a file", rmdir("u"));
}

static void renamed_while_open(void) {
  int fd = open("r", O_CREAT | O_RDWR, 0600);
  rename("r", "s");
  show("write", write(fd, "moved", 5));
  print("s");
  close(fd);
}

static void copies(void) {
  make("in", "to be copied");
  int in = open("in", O_RDONLY), out = open("out", O_CREAT | O_WRONLY, 0600);
  show("sendfile", sendfile(out, in, NULL, 5));
  off_t at = 6;
  show("sendfile", sendfile(out, in, &at, 100));
  printf("at %ld, %ld\n", (long)at, (long)lseek(in, 0, SEEK_CUR));
  show("end", sendfile(out, in, &at, 100));
  show("wrong way", sendfile(in, out, NULL, 1));
  close(in);
  close(out);
  print("out");
  int fds[2];
  char buffer[16];
  if (pipe(fds)) perror("pipe");
  in = open("in", O_RDONLY);
  show("to a pipe", sendfile(fds[1], in, NULL, 16));
  show("read", read(fds[0], buffer, 16));
  show("from a pipe", sendfile(in, fds[0], NULL, 1));
}

static void file_system(void) {
  struct statfs found;
  struct stat one, two;
  int pipes[2], fd = open("e", O_RDONLY);
  show("statfs", statfs("e", &found));
  printf("names of %ld, pages free: %d\n", (long)found.f_namelen, found.f_bfree > 0);
  show("fstatfs", fstatfs(fd, &found));
  show("statfs of nothing", statfs("nothing", &found));
  show("fstatfs of nothing", fstatfs(99, &found));
  printf("advice: %d %d", posix_fadvise(fd, 0, 10, POSIX_FADV_WILLNEED), posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL));
  show("pipe", pipe(pipes));
  printf("advice: %d %d %d\n", posix_fadvise(fd, 0, 0, 6), posix_fadvise(pipes[0], 0, 0, 0), posix_fadvise(99, 0, 0, 0));
  make("first", "1");
  make("second", "2");
  stat("first", &one);
  stat("second", &two);
  printf("another inode: %d\n", one.st_ino != two.st_ino);
  show("rename", rename("first", "second"));
  stat("second", &two);
  printf("the same inode: %d\n", one.st_ino == two.st_ino);
  fd = open("second", O_RDONLY);
  fstat(fd, &two);
  printf("and of the descriptor: %d\n", one.st_ino == two.st_ino);
}

int main(void) {
  names();
  many();
  lengths();
  unlinked();
  renamed_while_open();
  copies();
  list("e");
  file_system();
  return 0;
}
