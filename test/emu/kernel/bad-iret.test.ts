/** Returns to user mode that the processor refuses: what the program sees is what it sees on the host, whose kernel has espfix64 too. */
import { beforeAll, describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { compile, elf, native, run } from "./kit.ts";

/** Returns from a signal to each pair of CS and SS, and prints the signal that comes of it, or the state that was reached. */
const PROGRAM = `
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static char alt[65536];
static sigjmp_buf back;
static unsigned short cs, ss;
static unsigned long ip, sp;
static unsigned char *code;

static void set(int entry, int contents, int bits32, int present, int limit) {
  struct user_desc d;
  memset(&d, 0, sizeof d);
  d.entry_number = entry;
  d.base_addr = 0;
  d.limit = limit;
  d.limit_in_pages = limit == 0xfffff;
  d.contents = contents;
  d.seg_32bit = bits32;
  d.seg_not_present = !present;
  if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d)) printf("modify_ldt failed\\n");
}
static void jump(int sig, siginfo_t *si, void *v) {
  ucontext_t *uc = v;
  unsigned long long *csgsfs = (void *)&uc->uc_mcontext.gregs[REG_CSGSFS];
  *csgsfs = (*csgsfs & 0x0000ffffffff0000ull) | cs | ((unsigned long long)ss << 48);
  uc->uc_mcontext.gregs[REG_RIP] = ip;
  uc->uc_mcontext.gregs[REG_RSP] = sp;
}
static void fault(int sig, siginfo_t *si, void *v) {
  ucontext_t *uc = v;
  unsigned long long csgsfs = uc->uc_mcontext.gregs[REG_CSGSFS];
  unsigned seen_cs = csgsfs & 0xffff, seen_ss = csgsfs >> 48;
  // a trap at the target tells what was reached; anything else, what was refused
  printf("signal %d trap %d err %x code %d cs %x ss %x sp %lx\\n", sig, (int)uc->uc_mcontext.gregs[REG_TRAPNO],
         (int)uc->uc_mcontext.gregs[REG_ERR], si->si_code, seen_cs, seen_ss,
         sig == SIGTRAP && seen_cs != 0x33 ? (unsigned long)uc->uc_mcontext.gregs[REG_RSP] & 0xffffffff : 0);
  siglongjmp(back, 1);
}
static void on(int sig, void (*f)(int, siginfo_t *, void *)) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_sigaction = f;
  sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(sig, &sa, 0);
}
static void try(const char *name, unsigned c, unsigned s, unsigned long to) {
  printf("%s: ", name);
  fflush(stdout);
  cs = c;
  ss = s;
  ip = to;
  sp = 0x5afe1230;
  if (!sigsetjmp(back, 1)) raise(SIGUSR1);
}
int main(void) {
  stack_t st = { .ss_sp = alt, .ss_size = sizeof alt };
  sigaltstack(&st, 0);
  on(SIGUSR1, jump);
  on(SIGSEGV, fault);
  on(SIGBUS, fault);
  on(SIGTRAP, fault);
  on(SIGILL, fault);
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  memset(code, 0xcc, 4096);
  set(0, 0, 0, 1, 0xffff);   /* 16-bit data */
  set(1, 0, 1, 1, 0xfffff);  /* 32-bit data */
  set(2, 0, 1, 0, 0xfffff);  /* not present */
  set(3, 2, 1, 1, 0xfffff);  /* 32-bit code */
  set(4, 2, 1, 0, 0xfffff);  /* code, not present */
  set(5, 1, 0, 1, 0xfff);    /* 16-bit expand-down data */
  unsigned long c = (unsigned long)code;
  try("64-bit, flat", 0x33, 0x2b, c);
  try("32-bit, flat", 0x23, 0x2b, c);
  try("32-bit, 16-bit stack", 0x23, 0x07, c);
  try("64-bit, 16-bit stack", 0x33, 0x07, c);
  try("LDT code, LDT stack", 0x1f, 0x0f, c);
  try("expand-down stack", 0x23, 0x2f, c);
  try("stack not present", 0x23, 0x17, c);
  try("stack is code", 0x23, 0x1f, c);
  try("stack beyond the LDT", 0x23, 0xfff7, c);
  try("stack null", 0x23, 0x03, c);
  try("stack of the kernel", 0x23, 0x1b, c);
  try("code is data, LDT stack", 0x07, 0x07, c);
  try("code not present", 0x27, 0x2b, c);
  try("code not present, LDT stack", 0x27, 0x07, c);
  try("code of the kernel", 0x13, 0x2b, c);
  try("code null", 0x03, 0x2b, c);
  try("not canonical", 0x33, 0x2b, 0x800000000000ul);
  try("not canonical, LDT stack", 0x33, 0x07, 0x800000000000ul);
  try("beyond 4 GiB in 32-bit code", 0x23, 0x2b, 0x100000000ul + c);
  return 0;
}
`;

describe.runIf(requireTool("gcc"))("refused and strange returns", () => {
  let bytes: Uint8Array;
  beforeAll(() => {
    bytes = compile(PROGRAM);
  });
  test.each(["intel", "amd"] as const)("%s: as natively", (vendor) => {
    const ran = run(elf(bytes), { cpu: { vendor, model: "current", quirks: [] } });
    expect(ran.text.split("\n")).toEqual(native(bytes).stdout.toString().split("\n"));
    expect(ran.stop).toEqual({ kind: "exit", status: 0 });
  });

  test("on the ministack the cause is lost: the double fault becomes #GP(0)", () => {
    const ran = run(elf(bytes));
    const lost = ran.events.filter((e) => e.type === "espfix");
    expect(lost.length).toBeGreaterThan(3);
    const refused = ran.events.filter(
      (e) => e.type === "exit-refused" && (e.path as string[]).includes("espfix_on_ministack"),
    );
    expect(refused.every((e) => e.vector === 8)).toBe(true);
    expect(refused.length).toBe(lost.length);
  });

  test("without espfix the same returns keep their own vector", () => {
    const ran = run(elf(bytes), { designs: { espfix: "none" } });
    expect(ran.events.filter((e) => e.type === "espfix")).toEqual([]);
    expect(ran.text).toMatch(/code not present, LDT stack: signal 7 trap 11 err 24/);
  });

  test("the prototype copies the frame back, so that they keep it too", () => {
    const none = run(elf(bytes), { designs: { espfix: "none" } });
    const prototype = run(elf(bytes), { designs: { espfix: "prototype" } });
    const refusals = (text: string) => text.split("\n").filter((line) => !line.includes("signal 5"));
    expect(refusals(prototype.text)).toEqual(refusals(none.text));
    // and what succeeds leaves the user's ESP whole, as the final form does
    const reached = (text: string) => text.split("\n").filter((line) => line.includes("signal 5"));
    expect(reached(prototype.text)).toEqual(reached(native(bytes).stdout.toString()));
    const fixed = prototype.events.filter((e) => (e.path as string[] | undefined)?.includes("espfix_fix_stack"));
    expect(fixed.length).toBeGreaterThan(0);
  });

  test("64 bytes are too few for that: the fault's frame goes below the first CPU's ministack", () => {
    const { stop } = run(elf(bytes), { designs: { espfix: "prototype-64" } });
    expect(stop).toMatchObject({ kind: "shutdown", why: expect.stringMatching(/double fault/) });
  });
});
