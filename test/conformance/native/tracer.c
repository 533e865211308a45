/*
 * Runs a batch of sequences on this host's processor for the lockstep oracle: executes the ELF file that the oracle wrote, under
 * ptrace, one single-step an instruction. Commands come by stdin; everything else is in one shared file, laid out as in
 * ../lockstep/exchange.ts, which has the same structures.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define DATA_SIZE 0x4000u
#define RO_SIZE 0x1000u
/* Entries of the shared file's areas. */
#define MAX_STEPS 16384u
#define MAX_CHANGES (1u << 20)
#define MAX_ITERATIONS 5000
#define SHARED_FD 3

enum { RESET_MEMORY = 1, REPEATS = 2, LOAD_ALL = 4, LOAD_GENERAL = 8 };
enum { DONE = 0, SKIPPED = 1, LOST = 2 };
#define NONE 0xffffffffu

struct state {
	uint64_t gpr[16], rip; /* encoding order */
	uint32_t eflags, fcw, fsw, ftw, mxcsr, selectors[6], pad0;
	uint64_t fs_base, gs_base, pad1;
	uint8_t x87[8][16], ymm[16][32]; /* x87: physical registers */
};

struct step {
	uint32_t flags, load; /* load: index of a state */
	uint64_t ip; /* where the step is expected */
	uint32_t adopt_at, adopt_count; /* bytes to put into memory first */
	uint32_t pad[2];
};

struct result {
	uint32_t signal, code;
	uint64_t address;
	uint32_t changes_at, changes_count, status, pad;
	struct state state;
};

struct exchange {
	uint8_t image[DATA_SIZE];
	struct step steps[MAX_STEPS];
	struct state loads[MAX_STEPS];
	uint32_t adopted[MAX_CHANGES];
	struct result results[MAX_STEPS];
	uint32_t changes[MAX_CHANGES];
};

_Static_assert(sizeof(struct state) == 848 && sizeof(struct step) == 32 && sizeof(struct result) == 880, "layout");

static struct exchange *x;
static uint8_t *data, copy[DATA_SIZE];
static int data_fd, wide;
static uint32_t change_count;
static uint64_t reset_stub;
static struct user_regs_struct regs;

/* The XSAVE area: the FXSAVE image, the header, the upper YMM halves, and what this host has besides, which stays as it is. */
#define XSTATE_BV 512
#define AVX_OFFSET 576
static uint8_t xstate[1 << 16];
static size_t xstate_size;

static void die(const char *what) { perror(what); exit(2); }
static void need(int ok, const char *what) { if (!ok) die(what); }

static void *map(int fd, size_t size)
{
	need(ftruncate(fd, size) == 0, "ftruncate");
	void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(p != MAP_FAILED, "mmap");
	return p;
}

/* Both on one processor: a single step is two switches between them, which are much cheaper without another processor to wake. */
static void stay_here(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof set, &set);
}

static int wait_stop(pid_t pid)
{
	int status;
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
}

static int step(pid_t pid)
{
	if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) != 0) return -1;
	return wait_stop(pid);
}

/* The program sets up its LDT and shared memory, and stops at a breakpoint with the address of its flag reset in RAX. */
static pid_t start(const char *program)
{
	pid_t pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) {
		char *const none[] = { 0 }, *const argv[] = { "lockstep", 0 };
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		personality(ADDR_NO_RANDOMIZE);
		if (data_fd != SHARED_FD) dup2(data_fd, SHARED_FD);
		fcntl(SHARED_FD, F_SETFD, 0);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execve(program, argv, none);
		die("execve");
	}
	need(wait_stop(pid) == SIGTRAP, "exec");
	need(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL) == 0, "setoptions");
	need(ptrace(PTRACE_CONT, pid, 0, 0) == 0 && wait_stop(pid) == SIGTRAP, "the program's start");
	need(ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0, "getregs");
	reset_stub = regs.rax;
	need((int64_t)reset_stub > 0, "the program's preparations");
	return pid;
}

static void get_vectors(pid_t pid)
{
	struct iovec area = { xstate, sizeof xstate };
	need(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &area) == 0, "getregset");
	xstate_size = area.iov_len;
}

static void set_vectors(pid_t pid, const struct state *s, int pointers)
{
	if (xstate_size == 0) get_vectors(pid);
	struct user_fpregs_struct *fx = (void *)xstate;
	struct iovec area = { xstate, xstate_size };
	fx->cwd = s->fcw;
	fx->swd = s->fsw;
	fx->ftw = s->ftw;
	fx->mxcsr = s->mxcsr;
	if (pointers) fx->fop = fx->rip = fx->rdp = 0;
	for (int i = 0; i < 8; i++) {
		memset((char *)fx->st_space + i * 16, 0, 16);
		memcpy((char *)fx->st_space + i * 16, s->x87[(i + (s->fsw >> 11)) & 7], 10);
	}
	for (int i = 0; i < 16; i++) {
		memcpy((char *)fx->xmm_space + i * 16, s->ymm[i], 16);
		memcpy(xstate + AVX_OFFSET + i * 16, s->ymm[i] + 16, 16);
	}
	xstate[XSTATE_BV] |= 7;
	need(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &area) == 0, "setregset");
}

static unsigned long long *const gprs[16] = { (void *)&regs.rax, (void *)&regs.rcx, (void *)&regs.rdx, (void *)&regs.rbx,
	(void *)&regs.rsp, (void *)&regs.rbp, (void *)&regs.rsi, (void *)&regs.rdi, (void *)&regs.r8, (void *)&regs.r9,
	(void *)&regs.r10, (void *)&regs.r11, (void *)&regs.r12, (void *)&regs.r13, (void *)&regs.r14, (void *)&regs.r15 };

/* Null selectors are alike: the kernel makes zeros of them when it switches tasks. */
static void read_selectors(uint32_t *to)
{
	const uint32_t selectors[6] = { regs.es, regs.cs, regs.ss, regs.ds, regs.fs, regs.gs };
	for (int i = 0; i < 6; i++) to[i] = selectors[i] < 4 ? 0 : selectors[i];
}

/* Does the program have these registers already, but for the flags? ptrace refuses some selectors that a program can load. */
static int same_general(const struct state *s)
{
	uint32_t selectors[6];
	read_selectors(selectors);
	for (int i = 0; i < 16; i++) {
		if ((wide ? *gprs[i] : i < 8 ? (uint32_t)*gprs[i] : 0) != s->gpr[i]) return 0;
	}
	return memcmp(selectors, s->selectors, sizeof selectors) == 0 && (wide ? regs.rip : (uint32_t)regs.rip) == s->rip &&
		regs.fs_base == s->fs_base && regs.gs_base == s->gs_base;
}

/* 0 if ptrace refuses them. */
static int set_general(pid_t pid, const struct state *s)
{
	if (same_general(s)) return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.eflags), s->eflags) == 0;
	for (int i = 0; i < 16; i++) *gprs[i] = s->gpr[i];
	regs.rip = s->rip;
	regs.eflags = s->eflags;
	regs.es = s->selectors[0];
	regs.cs = s->selectors[1];
	regs.ss = s->selectors[2];
	regs.ds = s->selectors[3];
	regs.fs = s->selectors[4];
	regs.gs = s->selectors[5];
	regs.fs_base = s->fs_base;
	regs.gs_base = s->gs_base;
	regs.orig_rax = -1;
	return ptrace(PTRACE_SETREGS, pid, 0, &regs) == 0;
}

static void read_state(pid_t pid, struct state *s)
{
	const struct user_fpregs_struct *fx = (void *)xstate;
	get_vectors(pid);
	for (int i = 0; i < 16; i++) s->gpr[i] = wide ? *gprs[i] : i < 8 ? (uint32_t)*gprs[i] : 0;
	s->rip = wide ? regs.rip : (uint32_t)regs.rip;
	s->eflags = regs.eflags;
	s->fcw = fx->cwd;
	s->fsw = fx->swd;
	s->ftw = fx->ftw & 0xff;
	s->mxcsr = fx->mxcsr;
	read_selectors(s->selectors);
	s->pad0 = 0;
	s->pad1 = 0;
	s->fs_base = regs.fs_base;
	s->gs_base = regs.gs_base;
	memset(s->x87, 0, sizeof s->x87);
	for (int i = 0; i < 8; i++) memcpy(s->x87[(i + (s->fsw >> 11)) & 7], (char *)fx->st_space + i * 16, 10);
	memset(s->ymm, 0, sizeof s->ymm);
	for (int i = 0; i < (wide ? 16 : 8); i++) {
		memcpy(s->ymm[i], (char *)fx->xmm_space + i * 16, 16);
		memcpy(s->ymm[i] + 16, xstate + AVX_OFFSET + i * 16, 16);
	}
}

/* Bytes that differ from the copy kept here, which is brought up to date. */
static void note_changes(struct result *out)
{
	out->changes_at = change_count;
	out->changes_count = 0;
	if (memcmp(data, copy, DATA_SIZE) == 0) return;
	for (uint32_t at = 0; at < DATA_SIZE; at += 64) {
		if (memcmp(data + at, copy + at, 64) == 0) continue;
		for (uint32_t i = at; i < at + 64; i++) {
			if (data[i] == copy[i]) continue;
			if (change_count == MAX_CHANGES) { fprintf(stderr, "too many changes of memory\n"); exit(2); }
			x->changes[change_count++] = i << 8 | data[i];
			copy[i] = data[i];
			out->changes_count++;
		}
	}
}

/* ptrace cannot clear the ID flag, but a POPF of the program's own can. */
static void reset_flags(pid_t pid)
{
	need(ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0, "getregs");
	if (!(regs.eflags & 0x200000)) return;
	regs.rip = reset_stub;
	regs.rsp = reset_stub + 8;
	regs.cs = 0x33;
	regs.ss = 0x2b;
	regs.eflags = 0x202;
	regs.orig_rax = -1;
	/* The program can have bases, and null selectors, that ptrace refuses; what comes next sets them anew. */
	regs.ds = regs.es = regs.fs = regs.gs = 0;
	regs.fs_base = regs.gs_base = 0;
	need(ptrace(PTRACE_SETREGS, pid, 0, &regs) == 0, "setregs");
	need(step(pid) == SIGTRAP, "the flag reset");
}

/* 0 if the program is in a state that cannot be brought to the one expected. */
static int prepare(pid_t pid, const struct step *s)
{
	if (s->flags & RESET_MEMORY) {
		memcpy(data, x->image, DATA_SIZE);
		memcpy(copy, x->image, DATA_SIZE);
		reset_flags(pid);
	}
	for (uint32_t i = s->adopt_at; i < s->adopt_at + s->adopt_count; i++)
		data[x->adopted[i] >> 8] = copy[x->adopted[i] >> 8] = x->adopted[i];
	if (s->load == NONE) return 1;
	if (s->flags & RESET_MEMORY) regs.rip = ~0ul;
	if (!set_general(pid, &x->loads[s->load])) return 0;
	if (s->flags & LOAD_ALL) set_vectors(pid, &x->loads[s->load], s->flags & RESET_MEMORY);
	return 1;
}

/* 0 if the program has ended. */
static int run(pid_t pid, const struct step *s, struct result *out)
{
	siginfo_t info;
	for (int i = 0; i < MAX_ITERATIONS; i++) {
		int sig = step(pid);
		if (sig < 0) return 0;
		memset(&info, 0, sizeof info);
		need(ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == 0, "getsiginfo");
		need(ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0, "getregs");
		out->signal = sig == SIGTRAP && info.si_code == TRAP_TRACE ? 0 : sig;
		out->code = out->signal ? info.si_code : 0;
		out->address = out->signal ? (uint64_t)info.si_addr : 0;
		if (out->signal || !(s->flags & REPEATS) || regs.rip != s->ip) break;
	}
	read_state(pid, &out->state);
	note_changes(out);
	return 1;
}

static void batch(const char *program, uint32_t steps)
{
	pid_t pid = start(program);
	uint64_t at = 0;
	int lost = 0;
	change_count = 0;
	for (uint32_t i = 0; i < steps; i++) {
		const struct step *s = &x->steps[i];
		struct result *out = &x->results[i];
		/* After a signal or a jump that was not expected, the rest of a sequence is of no interest. */
		out->status = lost ? LOST : !(s->flags & RESET_MEMORY) && at != s->ip ? SKIPPED : DONE;
		if (out->status != DONE) continue;
		if (!prepare(pid, s)) {
			out->status = SKIPPED;
			at = ~0ul;
			continue;
		}
		if (!run(pid, s, out)) {
			out->status = LOST;
			lost = 1;
		}
		at = out->signal ? ~0ul : wide ? regs.rip : (uint32_t)regs.rip;
	}
	if (lost) return;
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
}

int main(int argc, char **argv)
{
	struct { uint32_t steps, wide; } command;
	need(argc == 3, "arguments: PROGRAM EXCHANGE");
	int fd = open(argv[2], O_RDWR | O_CREAT, 0600);
	need(fd >= 0, argv[2]);
	x = map(fd, sizeof *x);
	data_fd = memfd_create("data", MFD_CLOEXEC);
	need(data_fd >= 0, "memfd");
	data = map(data_fd, DATA_SIZE);
	stay_here();
	while (fread(&command, sizeof command, 1, stdin) == 1) {
		wide = command.wide;
		batch(argv[1], command.steps);
		putchar(1);
		fflush(stdout);
	}
	return 0;
}
