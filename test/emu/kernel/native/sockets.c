/* Pairs of UNIX sockets of the three kinds, open files in messages, ends that are closed, memfds, limits, interval timers, unshare. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *what, long result)
{
	printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerrorname_np(errno) : "");
}

static void text(const char *what, int fd, int count, int flags)
{
	char buffer[256] = "";
	long got = recv(fd, buffer, count, flags);
	show(what, got);
	if (got > 0)
		printf("  \"%.*s\"\n", (int)(got < count ? got : count), buffer);
}

static void events(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };
	poll(&p, 1, 0);
	printf("%s: %#x\n", what, p.revents);
}

static void kind(const char *name, int type)
{
	int pair[2], value = 0, left = 0;
	socklen_t size = sizeof value;
	printf("-- %s\n", name);
	show("socketpair", socketpair(AF_UNIX, type, 0, pair));
	show("SO_TYPE", getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &value, &size));
	printf("  %d, %u bytes\n", value, size);
	events("empty", pair[0]);
	show("send", send(pair[0], "hello", 5, 0));
	show("write", write(pair[0], "world", 5));
	events("two sent", pair[1]);
	show("FIONREAD", ioctl(pair[1], FIONREAD, &left));
	printf("  %d\n", left);
	text("peek", pair[1], 3, MSG_PEEK);
	text("three, whole length", pair[1], 3, type == SOCK_STREAM ? 0 : MSG_TRUNC);
	text("the rest", pair[1], 100, 0);
	text("nothing", pair[1], 100, MSG_DONTWAIT);
	show("to a name", sendto(pair[0], "x", 1, 0, (struct sockaddr *)&(struct sockaddr_un){ AF_UNIX, "x" }, 4));
	show("shutdown of writing", shutdown(pair[0], SHUT_WR));
	events("shut", pair[1]);
	if (type != SOCK_DGRAM)
		text("the end", pair[1], 100, 0);
	show("write after it", send(pair[0], "x", 1, MSG_NOSIGNAL));
	show("the other way", send(pair[1], "back", 4, 0));
	text("which came", pair[0], 100, 0);
	send(pair[1], "unread", 6, 0);
	close(pair[0]);
	events("other end gone", pair[1]);
	text("after it", pair[1], 100, MSG_DONTWAIT);
	show("write to nobody", send(pair[1], "x", 1, MSG_NOSIGNAL));
	close(pair[1]);
}

static void rights(void)
{
	int pair[2], in[2];
	char control[CMSG_SPACE(2 * sizeof(int))], byte = 'r', got[8] = "";
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int)) };
	struct cmsghdr *c;
	printf("-- rights\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pipe(in);
	if (fork() == 0) {
		memset(control, 0, sizeof control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &in[0], sizeof(int));
		if (sendmsg(pair[0], &msg, 0) != 1)
			_exit(1);
		write(in[1], "through", 7);
		_exit(0);
	}
	close(in[0]);
	close(in[1]);
	wait(NULL);
	msg.msg_controllen = sizeof control;
	show("recvmsg", recvmsg(pair[1], &msg, 0));
	c = CMSG_FIRSTHDR(&msg);
	printf("  %d %d %zu of %zu, flags %#x\n", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len - sizeof *c,
	       msg.msg_controllen - sizeof *c, msg.msg_flags);
	int fd;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	show("read from it", read(fd, got, 7));
	printf("  %s\n", got);
	show("its end", read(fd, got, 7));
	fd = -1;
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	msg.msg_controllen = CMSG_SPACE(sizeof(int));
	show("rights to nothing", sendmsg(pair[0], &msg, 0));
	c->cmsg_len = 3;
	show("too short", sendmsg(pair[0], &msg, 0));
	close(pair[0]);
	close(pair[1]);
}

static volatile int alarms, pipes;
static void on(int signal)
{
	if (signal == SIGALRM)
		alarms++;
	else
		pipes++;
}

static void waiting(void)
{
	int pair[2];
	static char big[300000];
	printf("-- waiting\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	if (fork() == 0) {
		close(pair[1]);
		show("child writes", write(pair[0], big, sizeof big));
		fflush(stdout);
		_exit(0);
	}
	close(pair[0]);
	long all = 0, now;
	while ((now = read(pair[1], big, 5000)) > 0)
		all += now;
	wait(NULL);
	show("parent has read", all);
	signal(SIGPIPE, on);
	show("SIGPIPE", write(pair[1], "x", 1));
	printf("  %d\n", pipes);
	close(pair[1]);
	show("not a socket", send(memfd_create("x", 0), "x", 1, 0));
	show("family", socketpair(AF_INET6 + 20, SOCK_STREAM, 0, pair));
	show("type", socketpair(AF_UNIX, 7, 0, pair));
}

static void timers(void)
{
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, old;
	printf("-- timers\n");
	signal(SIGALRM, on);
	show("setitimer", setitimer(ITIMER_REAL, &every, NULL));
	while (alarms < 3)
		pause();
	every = (struct itimerval){ { 0, 0 }, { 50, 0 } };
	show("again", setitimer(ITIMER_REAL, &every, &old));
	printf("  every %ld us\n", (long)old.it_interval.tv_usec);
	show("getitimer", getitimer(ITIMER_REAL, &old));
	printf("  %ld\n", (long)old.it_value.tv_sec);
	show("alarm", alarm(20));
	show("alarm off", alarm(0));
	show("bad", setitimer(7, &every, NULL));
	every.it_value.tv_usec = 1000000;
	show("too many", setitimer(ITIMER_REAL, &every, NULL));
	show("times", times(NULL) != -1);
}

static void others(void)
{
	char name[16];
	struct rlimit limit = { 20, 20 }, old;
	printf("-- others\n");
	int fd = memfd_create("x", MFD_CLOEXEC);
	show("memfd", fd);
	show("FD_CLOEXEC", fcntl(fd, F_GETFD));
	show("write", write(fd, "memory", 6));
	show("seek", lseek(fd, 2, SEEK_SET));
	show("read", read(fd, name, 16));
	show("bad flags", memfd_create("x", 0x8000));
	if (fork() == 0) {
		/* the position is common */
		write(fd, "more", 4);
		_exit(0);
	}
	wait(NULL);
	show("position", lseek(fd, 0, SEEK_CUR));
	close(fd);
	show("prlimit", prlimit(0, RLIMIT_NOFILE, &limit, &old));
	show("dup2 beyond", dup2(1, 20));
	show("dup2 within", dup2(1, 19));
	show("F_DUPFD beyond", fcntl(1, F_DUPFD, 20));
	show("F_DUPFD full", fcntl(1, F_DUPFD, 19));
	show("unshare", unshare(CLONE_FILES | CLONE_FS));
	show("unshare of nothing known", unshare(1));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	kind("stream", SOCK_STREAM);
	kind("datagram", SOCK_DGRAM);
	kind("sequenced packets", SOCK_SEQPACKET);
	fflush(stdout);
	rights();
	fflush(stdout);
	waiting();
	timers();
	fflush(stdout);
	others();
	return 0;
}
