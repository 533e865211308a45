/*
 * Runs single instructions on this host's processor, in 64-, 32- and 16-bit user mode. Reads records from stdin and writes each back
 * as it is afterwards; native.ts has the format. The code page is full of INT3, so whatever an instruction does, the next event is
 * either its own exception or a breakpoint where control went to: a signal handler swaps the whole register state in, at an INT3 of
 * this program's own, and out again at that next event.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x20000ul
#define DATA 0x40000ul
#define PAGE 0x1000
#define BREAKPOINT 3
/* No instruction takes that long: the program has gone astray. */
#define SECONDS 5
#define LDT(index) ((index) * 8 + 7)
/* EFLAGS that the kernel's return from a signal leaves as its handler has them. */
#define NT 0x4000ul
#define AC 0x40000ul
#define ID 0x200000ul

/* Standard form of the XSAVE area in a signal frame; bytes 464 to 511 belong to the kernel. */
#define FX_BYTES 464
#define XSTATE_BV 512
#define AVX_OFFSET 576

struct record {
	uint32_t mode; /* 64, 32, 16 */
	uint32_t length;
	uint32_t vector, error; /* out: the exception, or BREAKPOINT */
	uint64_t cr2;
	uint64_t rip, flags; /* rip: offset in the code page's segment */
	uint64_t gprs[16]; /* in encoding order */
	uint64_t bases[2]; /* of FS and GS, whose selectors are null before */
	uint16_t selectors[8]; /* out: ES CS SS DS FS GS */
	uint8_t code[16];
	uint8_t fx[512], upper[256];
	uint8_t data[PAGE];
};

static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
static struct record record;
static volatile int inside;
static gregset_t home;
static uint8_t home_fx[FX_BYTES];
static uint16_t home_ds, home_es;
static uint64_t home_bases[2];

static void keep_flags(unsigned long flags)
{
	unsigned long others;
	asm volatile("pushfq\n\tpop %0" : "=r"(others));
	asm volatile("push %0\n\tpopfq" : : "r"((others & ~(NT | AC | ID)) | (flags & (NT | ID))) : "cc", "memory");
}

static void die(const char *what) { perror(what); exit(2); }

static void set_data_segments(uint16_t ds, uint16_t es)
{
	asm volatile("mov %0, %%ds\n\tmov %1, %%es" : : "r"((unsigned)ds), "r"((unsigned)es));
}

static void read_bases(uint64_t bases[2]) { asm volatile("rdfsbase %0\n\trdgsbase %1" : "=r"(bases[0]), "=r"(bases[1])); }

/* The C library's thread data is found through FS: nothing of it is used until the base is what it was. */
static void set_bases(const uint64_t bases[2])
{
	asm volatile("mov %0, %%fs\n\tmov %0, %%gs\n\twrfsbase %1\n\twrgsbase %2" : : "r"(0), "r"(bases[0]), "r"(bases[1]));
}

static void read_selectors(greg_t csgsfs)
{
	uint16_t *s = record.selectors;
	asm volatile("mov %%es, %0\n\tmov %%ds, %1\n\tmov %%fs, %2\n\tmov %%gs, %3" : "=r"(s[0]), "=r"(s[3]), "=r"(s[4]), "=r"(s[5]));
	s[1] = csgsfs;
	s[2] = (uint64_t)csgsfs >> 48;
}

static void segments(greg_t *csgsfs, unsigned cs, unsigned ss)
{
	*csgsfs = (*csgsfs & 0x0000ffffffff0000ll) | cs | (greg_t)((uint64_t)ss << 48);
	set_data_segments(ss, ss);
}

static void enter(ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;
	uint8_t *fx = (uint8_t *)context->uc_mcontext.fpregs;
	memcpy(home, regs, sizeof home);
	memcpy(home_fx, fx, sizeof home_fx);
	for (int i = 0; i < 16; i++) regs[order[i]] = record.gprs[i];
	regs[REG_RIP] = record.rip;
	regs[REG_EFL] = record.flags;
	memcpy(fx, record.fx, FX_BYTES);
	memcpy(fx + AVX_OFFSET, record.upper, sizeof record.upper);
	fx[XSTATE_BV] |= 7;
	if (record.mode == 64) segments(&regs[REG_CSGSFS], 0x33, 0x2b);
	else if (record.mode == 32) segments(&regs[REG_CSGSFS], 0x23, 0x2b);
	else segments(&regs[REG_CSGSFS], LDT(0), LDT(1));
	set_bases(record.bases);
	keep_flags(record.flags);
}

static void leave(ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;
	uint8_t *fx = (uint8_t *)context->uc_mcontext.fpregs;
	read_selectors(regs[REG_CSGSFS]);
	read_bases(record.bases);
	set_bases(home_bases);
	for (int i = 0; i < 16; i++) record.gprs[i] = regs[order[i]];
	record.vector = regs[REG_TRAPNO];
	record.error = regs[REG_ERR];
	record.cr2 = regs[REG_CR2];
	record.rip = regs[REG_RIP] - (record.vector == BREAKPOINT);
	record.flags = regs[REG_EFL];
	memcpy(record.fx, fx, FX_BYTES);
	if (fx[XSTATE_BV] & 4) memcpy(record.upper, fx + AVX_OFFSET, sizeof record.upper);
	else memset(record.upper, 0, sizeof record.upper);
	memcpy(regs, home, sizeof home);
	memcpy(fx, home_fx, sizeof home_fx);
	set_data_segments(home_ds, home_es);
}

static void handler(int number, siginfo_t *info, void *context)
{
	/* An instruction may have left alignment checking on, or NT. */
	keep_flags(0);
	(void)number, (void)info;
	inside = !inside;
	if (inside) enter(context);
	else leave(context);
}

static uint8_t *page(unsigned long at)
{
	void *p = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != (void *)at) die("mmap");
	return p;
}

static void ldt_entry(unsigned index, unsigned long base, int code)
{
	struct user_desc d = { .entry_number = index, .base_addr = base, .limit = 0xffff, .useable = 1,
		.contents = code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA };
	if (syscall(SYS_modify_ldt, 1, &d, sizeof d) != 0) die("modify_ldt");
}

static void catch_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	static uint8_t stack[1 << 17];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	if (sigaltstack(&alternate, 0) != 0) die("sigaltstack");
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], &action, 0) != 0) die("sigaction");
}

int main(void)
{
	uint8_t *code = page(CODE), *data = page(DATA);
	ldt_entry(0, CODE, 1);
	ldt_entry(1, DATA, 0);
	asm("mov %%ds, %0\n\tmov %%es, %1" : "=r"(home_ds), "=r"(home_es));
	read_bases(home_bases);
	catch_signals();
	memset(code, 0xcc, PAGE);
	while (fread(&record, sizeof record, 1, stdin) == 1) {
		if (mprotect(code, PAGE, PROT_READ | PROT_WRITE) != 0) die("mprotect");
		uint8_t *at = code + (record.rip & (PAGE - 1));
		memcpy(at, record.code, record.length);
		memcpy(data, record.data, PAGE);
		if (mprotect(code, PAGE, PROT_READ | PROT_EXEC) != 0) die("mprotect");
		alarm(SECONDS);
		asm volatile("int3" : : : "memory");
		memcpy(record.data, data, PAGE);
		if (mprotect(code, PAGE, PROT_READ | PROT_WRITE) != 0) die("mprotect");
		memset(at, 0xcc, record.length);
		fwrite(&record, sizeof record, 1, stdout);
		fflush(stdout);
	}
	return 0;
}
