/* Pipes, descriptors and poll: what this prints must not depend on who runs it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int broken;
static void on_pipe(int sig) { broken = sig; }

static void show(const char *what, long result) {
  printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerrorname_np(errno) : "");
}

static void basics(void) {
  int fds[2];
  char buffer[16] = {0};
  show("pipe", pipe(fds));
  show("write", write(fds[1], "hello", 5));
  show("read 3", read(fds[0], buffer, 3));
  printf("got %s\n", buffer);
  struct pollfd poll_in = {fds[0], POLLIN, 0};
  show("poll", poll(&poll_in, 1, 0));
  printf("revents %x\n", poll_in.revents);
  show("read 16", read(fds[0], buffer, 16));
  show("lseek", lseek(fds[0], 0, SEEK_SET));
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  show("empty", read(fds[0], buffer, 16));
  close(fds[1]);
  show("end", read(fds[0], buffer, 16));
  show("poll", poll(&poll_in, 1, -1));
  printf("revents %x\n", poll_in.revents);
  close(fds[0]);
  show("closed", read(fds[0], buffer, 1));
}

static void full(void) {
  int fds[2];
  static char block[4096];
  long total = 0, n;
  pipe2(fds, O_NONBLOCK | O_CLOEXEC);
  printf("flags %x %x\n", fcntl(fds[0], F_GETFD), fcntl(fds[0], F_GETFL) & O_NONBLOCK);
  while ((n = write(fds[1], block, sizeof block)) > 0) total += n;
  printf("room %ld, then %s\n", total, strerrorname_np(errno));
  signal(SIGPIPE, on_pipe);
  close(fds[0]);
  show("no reader", write(fds[1], "x", 1));
  printf("signal %d\n", broken);
  close(fds[1]);
}

/* A child that sends more than a pipe holds, and a parent that reads it in pieces. */
static void through(void) {
  int fds[2];
  pipe(fds);
  if (fork() == 0) {
    static char bytes[200000];
    for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
    close(fds[0]);
    _exit(write(fds[1], bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
  }
  close(fds[1]);
  unsigned long sum = 0, count = 0;
  char a[1000], b[777];
  struct iovec parts[2] = {{a, sizeof a}, {b, sizeof b}};
  long n;
  while ((n = readv(fds[0], parts, 2)) > 0) {
    for (long i = 0; i < n; i++, count++) sum = sum * 31 + (unsigned char)(i < 1000 ? a[i] : b[i - 1000]);
  }
  int status;
  wait(&status);
  printf("%lu bytes, sum %lx, child %d\n", count, sum & 0xffffffff, WEXITSTATUS(status));
  close(fds[0]);
}

static void descriptors(void) {
  int fds[2];
  pipe(fds);
  int copy = dup2(fds[1], 20);
  printf("dup2 %d, again %d, of nothing %d\n", copy, dup2(20, 20), dup2(99, 20));
  show("dup3 same", dup3(20, 20, 0));
  printf("dup3 cloexec %d\n", fcntl(dup3(20, 30, O_CLOEXEC), F_GETFD));
  printf("from 40 on: %d\n", fcntl(20, F_DUPFD, 40) >= 40);
  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(fds[0], &in);
  FD_SET(20, &out);
  struct timeval none = {0, 0};
  printf("select %d, in %d out %d\n", select(41, &in, &out, NULL, &none), !!FD_ISSET(fds[0], &in), !!FD_ISSET(20, &out));
  FD_ZERO(&in);
  FD_SET(fds[0], &in);
  struct timeval little = {0, 1000};
  printf("select in time %d\n", select(41, &in, NULL, NULL, &little));
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  basics();
  full();
  through();
  descriptors();
  return 0;
}
