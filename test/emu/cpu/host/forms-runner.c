/*
 * Runs short code on this host's processor, as a call: reads records from stdin, writes them back as they are afterwards, or with all
 * bits of the flags set if the processor has not got the instruction.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct record {
  uint64_t regs[6]; /* rax rbx rcx rdx rsi rdi; rdi is made to point to the data */
  uint64_t flags;
  uint8_t data[32];
  uint8_t code[32];
};

static sigjmp_buf lacking;
static void illegal(int signal) { siglongjmp(lacking, signal); }

int main(void) {
  uint8_t *page = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  static struct record r;
  signal(SIGILL, illegal);
  if (page == MAP_FAILED) return 1;
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    if (sigsetjmp(lacking, 1)) {
      r.flags = ~0ull;
      fwrite(&r, sizeof r, 1, stdout);
      continue;
    }
    memcpy(page, r.code, sizeof r.code);
    memcpy(page + 4096 + 64, r.data, sizeof r.data);
    r.regs[5] = (uint64_t)(page + 4096 + 64);
    register struct record *p asm("r15") = &r;
    register void *code asm("r14") = page;
    asm volatile(
        "lea -128(%%rsp), %%rsp\n\t"
        "mov 0(%%r15), %%rax\n\tmov 8(%%r15), %%rbx\n\tmov 16(%%r15), %%rcx\n\t"
        "mov 24(%%r15), %%rdx\n\tmov 32(%%r15), %%rsi\n\tmov 40(%%r15), %%rdi\n\t"
        "pushq 48(%%r15)\n\tpopfq\n\tcall *%%r14\n\tpushfq\n\tpopq 48(%%r15)\n\tcld\n\t"
        "mov %%rax, 0(%%r15)\n\tmov %%rbx, 8(%%r15)\n\tmov %%rcx, 16(%%r15)\n\t"
        "mov %%rdx, 24(%%r15)\n\tmov %%rsi, 32(%%r15)\n\tmov %%rdi, 40(%%r15)\n\t"
        "lea 128(%%rsp), %%rsp\n\t"
        : "+r"(p), "+r"(code)
        :
        : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
    r.regs[5] -= (uint64_t)(page + 4096 + 64);
    memcpy(r.data, page + 4096 + 64, sizeof r.data);
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
