/*
 * Runs segment loads, selector queries, far transfers and IRETQ at CPL 3 on the processor at hand, with many selectors, and
 * prints for each what came of it: "operation selector vector error value zf", vector -1 = no fault.
 * Arguments: LDT entries as limit:flags, flags being the bit fields of struct user_desc (hexadecimal), from entry 0 on.
 * Then two more tables: "popf|popfw|iretf image vector error flags 0", what of an EFLAGS image is loaded; and "iret-sp cs ss 0 0 rsp 0",
 * what RSP is after IRETQ to each pair of code and stack segment.
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

uint64_t saved_rsp, fs_base, value, zf, result_rsp;
void *stub;
char low_stack[4096]; /* a far call to 32-bit code pushes at ESP */
static int vector, error;
extern char land16[], land32[], land64[], faulted[];
extern char op_popf[], op_popfw[], op_iretf[], flags_out[];
#define STUBS X(ds) X(es) X(fs) X(gs) X(ss) X(lar) X(lsl) X(verr) X(verw) X(lss) X(jmp) X(call) X(retf) X(iret_cs) X(iret_ss) X(iret_ss32)
#define X(n) extern char op_##n[];
STUBS
#undef X
void go(void *frame, int selector);

asm(".text\n.globl go\ngo:\n"
    " push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,saved_rsp(%rip)\n jmp *stub(%rip)\n"
    "op_ds: mov %esi,%ds\n jmp land64\n"
    "op_es: mov %esi,%es\n jmp land64\n"
    "op_fs: mov %esi,%fs\n jmp land64\n"
    "op_gs: mov %esi,%gs\n jmp land64\n"
    "op_ss: mov %esi,%ss\n jmp land64\n"
    "op_lar: mov $0xaaaaaaaa,%eax\n lar %esi,%eax\n jmp flags\n"
    "op_lsl: mov $0xaaaaaaaa,%eax\n lsl %esi,%eax\n jmp flags\n"
    "op_verr: mov $0,%eax\n verr %si\n jmp flags\n"
    "op_verw: mov $0,%eax\n verw %si\n jmp flags\n"
    "flags: mov %rax,value(%rip)\n setz zf(%rip)\n jmp land64\n"
    "op_lss: lss (%rdi),%eax\n jmp land64\n"
    "op_jmp: ljmp *(%rdi)\n"
    "op_call: lea low_stack+4096(%rip),%rsp\n lcall *(%rdi)\n"
    "op_retf: mov %rdi,%rsp\n lretq\n"
    "op_iret_cs: op_iret_ss: op_iret_ss32: mov %rdi,%rsp\n iretq\n"
    "op_popf: push (%rdi)\n popfq\n jmp flags_out\n"
    "op_popfw: pushw (%rdi)\n popfw\n jmp flags_out\n"
    "op_iretf: mov %rdi,%rsp\n iretq\n"
    ".globl flags_out\nflags_out: lea low_stack+4096(%rip),%rsp\n pushfq\n pop %rax\n push $0x202\n popfq\n mov %rax,value(%rip)\n jmp faulted\n"
    ".globl land32\nland32: .code32\n ljmp $0x33,$land64\n .code64\n"
    ".globl land16\nland16: .code16\n ljmpl $0x33,$land64\n .code64\n"
    ".globl land64\nland64: mov %rsp,result_rsp(%rip)\n"
    ".globl faulted\nfaulted: mov $0x2b,%ecx\n mov %ecx,%ss\n mov saved_rsp(%rip),%rsp\n"
    " mov $0x1002,%edi\n mov fs_base(%rip),%rsi\n mov $158,%eax\n syscall\n" /* arch_prctl(ARCH_SET_FS, fs_base) */
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

static void handler(int signal, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  (void)signal, (void)info;
  vector = u->uc_mcontext.gregs[REG_TRAPNO];
  error = u->uc_mcontext.gregs[REG_ERR];
  u->uc_mcontext.gregs[REG_RIP] = (greg_t)faulted;
  u->uc_mcontext.gregs[REG_RSP] = saved_rsp;
}

static int bits_of[64]; /* of the LDT's code segments; 0 = no code */

static uint64_t landing(int selector) {
  int bits = selector & 4 ? (selector >> 3 < 64 ? bits_of[selector >> 3] : 0) : (selector & ~7) == 0x20 ? 32 : 64;
  return (uint64_t)(bits == 16 ? land16 : bits == 32 ? land32 : land64);
}

static uint64_t frame[8];

static void run(const char *name, void *op, int selector) {
  memset(frame, 0, sizeof frame);
  int is_iret = !strncmp(name, "iret", 4), is_ss = !strncmp(name, "iret_ss", 7);
  int cs = is_ss ? (name[7] ? 0x23 : 0x33) : selector;
  frame[0] = landing(cs);
  if (is_iret) frame[1] = cs, frame[2] = 0x202, frame[3] = saved_rsp, frame[4] = is_ss ? selector : 0x2b;
  else if (!strcmp(name, "retf")) frame[1] = selector;
  else *(uint16_t *)((char *)frame + 4) = selector;
  stub = op;
  vector = -1, error = 0, value = zf = 0;
  go(frame, selector);
  printf("%s %x %d %x %lx %lx\n", name, selector, vector, error, value, zf);
}

static void load_flags(const char *name, void *op, uint64_t image) {
  frame[0] = op == op_iretf ? (uint64_t)flags_out : image;
  frame[1] = 0x33, frame[2] = image, frame[3] = saved_rsp, frame[4] = 0x2b;
  stub = op, vector = -1, error = 0, value = 0;
  go(frame, 0);
  printf("%s %lx %d %x %lx 0\n", name, image, vector, error, value);
}

static void iret_sp(int cs, int ss) {
  uint64_t *at = (uint64_t *)((char *)mmap((void *)0x5a5b12340000, 0x10000, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) + 0x8000);
  at[0] = landing(cs), at[1] = cs, at[2] = 0x202, at[3] = 0x778899aabbcc, at[4] = ss;
  stub = op_iret_cs;
  go(at, 0);
  printf("iret-sp %x %x 0 0 %lx 0\n", cs, ss, result_rsp);
}

int main(int argc, char **argv) {
  static char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaltstack(&alternate, 0);
  sigaction(SIGSEGV, &action, 0), sigaction(SIGBUS, &action, 0);
  syscall(SYS_arch_prctl, 0x1003, &fs_base);
  int entries = argc - 1;
  for (int i = 0; i < entries; i++) {
    unsigned limit, flags;
    if (sscanf(argv[i + 1], "%x:%x", &limit, &flags) != 2) return 2;
    struct user_desc d = {.entry_number = i, .limit = limit, .seg_32bit = flags & 1, .contents = flags >> 1 & 3, .read_exec_only = flags >> 3 & 1,
                          .limit_in_pages = flags >> 4 & 1, .seg_not_present = flags >> 5 & 1, .useable = flags >> 6 & 1};
    if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d) != 0) return 3;
    bits_of[i] = d.contents >= 2 ? (d.seg_32bit ? 32 : 16) : 0;
  }
  int selectors[256], count = 0;
  for (int i = 0; i <= entries; i++) selectors[count++] = i * 8 + 4, selectors[count++] = i * 8 + 7;
  static const int gdt[] = {0, 1, 2, 3, 8, 0xb, 0x10, 0x13, 0x18, 0x1b, 0x20, 0x23, 0x28, 0x2b, 0x30, 0x33, 0x40, 0x43, 0x50, 0x53, 0x63, 0x80, 0x83, 0xfffb};
  for (unsigned i = 0; i < sizeof gdt / sizeof *gdt; i++) selectors[count++] = gdt[i];
  for (int i = 0; i < count; i++) {
#define X(n) run(#n, op_##n, selectors[i]);
    STUBS
#undef X
  }
  for (int bit = 0; bit < 22; bit++) { /* all but TF, one at a time, and all together */
    uint64_t image = bit == 8 ? 0x3ffeff : 1u << bit;
    load_flags("popf", op_popf, image), load_flags("popfw", op_popfw, image), load_flags("iretf", op_iretf, image);
  }
  static const int stacks[] = {0x2b, 0x07};
  for (int i = 0; i < 2; i++) iret_sp(0x33, stacks[i]), iret_sp(0x23, stacks[i]), iret_sp(0x0f, stacks[i]);
  return 0;
}
