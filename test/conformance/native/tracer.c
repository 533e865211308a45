/*
 * Runs single instructions on this host's processor for the lockstep oracle: a child under ptrace, one single-step a record.
 * Reads a batch from stdin and writes results to stdout; both formats are in ../lockstep/native.ts.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE 0x10000000ul
#define CODE_SIZE 0x10000ul
#define DATA 0x20000000ul
#define DATA_SIZE 0x10000ul
#define READ_ONLY 0x30000000ul
#define MAX_ITERATIONS 5000

struct record {
	uint32_t length, flags; /* 1: memory back to the image first; 2: a repeat, step until it is left */
	uint64_t address;
	uint8_t code[16];
	struct user_regs_struct regs;
	struct user_fpregs_struct fpregs;
	uint8_t upper[256]; /* of the YMM registers */
};

struct result {
	uint32_t signal, code;
	uint64_t address;
	struct user_regs_struct regs;
	struct user_fpregs_struct fpregs;
	uint8_t upper[256];
	uint32_t changes, pad;
};

static void die(const char *what) { perror(what); exit(2); }
static void need(int ok, const char *what) { if (!ok) die(what); }

static uint8_t *shared(const char *name, unsigned long at, unsigned long size, int prot, int *fd)
{
	if (*fd < 0) {
		*fd = memfd_create(name, 0);
		need(*fd >= 0 && ftruncate(*fd, size) == 0, "memfd");
	}
	void *p = mmap((void *)at, size, prot, MAP_SHARED | (at ? MAP_FIXED_NOREPLACE : 0), *fd, 0);
	need(p != MAP_FAILED, "mmap");
	return p;
}

static void ldt_entry(unsigned index, unsigned long base, int code, int wide)
{
	struct user_desc d = { .entry_number = index, .base_addr = base, .limit = 0xffff, .seg_32bit = wide,
		.contents = code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA, .useable = 1 };
	need(syscall(SYS_modify_ldt, 1, &d, sizeof d) == 0, "modify_ldt");
}

static void child(int code, int data, int ro)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	shared("code", CODE, CODE_SIZE, PROT_READ | PROT_EXEC, &code);
	shared("data", DATA, DATA_SIZE, PROT_READ | PROT_WRITE, &data);
	shared("ro", READ_ONLY, 0x1000, PROT_READ, &ro);
	ldt_entry(0, CODE, 1, 0);
	ldt_entry(1, DATA, 0, 0);
	ldt_entry(2, CODE, 1, 1);
	ldt_entry(3, DATA, 0, 1);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	_exit(0);
}

static void read_all(void *to, size_t size)
{
	if (fread(to, 1, size, stdin) != size) exit(3);
}

static int step(pid_t pid)
{
	int status;
	need(ptrace(PTRACE_SINGLESTEP, pid, 0, 0) == 0, "singlestep");
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	if (!WIFSTOPPED(status)) {
		fprintf(stderr, "the child ended, status %x\n", status);
		exit(4);
	}
	return WSTOPSIG(status);
}

/* The XSAVE area: the FXSAVE image, the header, the upper YMM halves, and what this host has besides, which stays as it is. */
#define XSTATE_BV 512
#define AVX_OFFSET 576
static uint8_t xstate[1 << 16];
static size_t xstate_size;

static void get_vectors(pid_t pid)
{
	struct iovec area = { xstate, sizeof xstate };
	need(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &area) == 0, "getregset");
	xstate_size = area.iov_len;
}

static void set_vectors(pid_t pid, const struct record *r)
{
	if (xstate_size == 0) get_vectors(pid);
	struct iovec area = { xstate, xstate_size };
	memcpy(xstate, &r->fpregs, sizeof r->fpregs);
	memcpy(xstate + AVX_OFFSET, r->upper, sizeof r->upper);
	xstate[XSTATE_BV] |= 7;
	need(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &area) == 0, "setregset");
}

static void run(pid_t pid, struct record *r, struct result *out)
{
	siginfo_t info;
	need(ptrace(PTRACE_SETREGS, pid, 0, &r->regs) == 0, "setregs");
	set_vectors(pid, r);
	for (int i = 0; i < MAX_ITERATIONS; i++) {
		int sig = step(pid);
		memset(&info, 0, sizeof info);
		need(ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == 0, "getsiginfo");
		need(ptrace(PTRACE_GETREGS, pid, 0, &out->regs) == 0, "getregs");
		out->signal = sig == SIGTRAP && info.si_code == 2 ? 0 : sig;
		out->code = info.si_code;
		out->address = out->signal ? (uint64_t)info.si_addr : 0;
		if (out->signal || !(r->flags & 2) || out->regs.rip != r->regs.rip) break;
	}
	get_vectors(pid);
	memcpy(&out->fpregs, xstate, sizeof out->fpregs);
	memcpy(out->upper, xstate + AVX_OFFSET, sizeof out->upper);
}

/* Bytes that differ from the copy kept here, which is brought up to date. */
static uint32_t changes(const uint8_t *data, uint8_t *copy, uint32_t *list)
{
	uint32_t n = 0;
	if (memcmp(data, copy, DATA_SIZE) == 0) return 0;
	for (uint32_t i = 0; i < DATA_SIZE; i++) {
		if (data[i] == copy[i]) continue;
		list[n++] = i << 8 | data[i];
		copy[i] = data[i];
	}
	return n;
}

int main(void)
{
	static uint8_t image[DATA_SIZE], copy[DATA_SIZE];
	static uint32_t list[DATA_SIZE];
	static struct record r;
	static struct result out;
	int code_fd = -1, data_fd = -1, ro_fd = -1, status;
	uint32_t count;
	uint8_t *code = shared("code", 0, CODE_SIZE, PROT_READ | PROT_WRITE, &code_fd);
	uint8_t *data = shared("data", 0, DATA_SIZE, PROT_READ | PROT_WRITE, &data_fd);
	uint8_t *ro = shared("ro", 0, 0x1000, PROT_READ | PROT_WRITE, &ro_fd);
	pid_t pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) child(code_fd, data_fd, ro_fd);
	need(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "start");
	for (;;) {
		if (fread(&count, 1, sizeof count, stdin) != sizeof count) break;
		read_all(image, sizeof image);
		memcpy(ro, image, 0x1000);
		while (count--) {
			read_all(&r, sizeof r);
			if (r.flags & 1) {
				memcpy(data, image, sizeof image);
				memcpy(copy, image, sizeof image);
			}
			memcpy(code + (r.address - CODE), r.code, r.length);
			run(pid, &r, &out);
			memset(code + (r.address - CODE), 0, r.length);
			out.changes = changes(data, copy, list);
			fwrite(&out, sizeof out, 1, stdout);
			fwrite(list, 4, out.changes, stdout);
		}
		fflush(stdout);
	}
	kill(pid, SIGKILL);
	return 0;
}
