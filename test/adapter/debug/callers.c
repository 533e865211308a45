/* Ways to be called: tail calls, structures given back, stacks of unknown size and realigned ones, jump tables, a main that never returns, handlers
   inside handlers on a stack of their own. To be compiled in all ways, with frame information and without. */
#define _GNU_SOURCE
#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
volatile int sink;
__attribute__((noinline)) int leaf(int x) { sink += x; return sink; }
__attribute__((noinline)) int rec(int n) { if (n == 0) return leaf(1); return rec(n - 1) + leaf(n); }
__attribute__((noinline)) int dyn(int n) { char *p = alloca(n); memset(p, n, n); return leaf(p[n/2]) + leaf(p[1]); }
__attribute__((noinline)) int tail2(int n) { return leaf(n + 1); }
__attribute__((noinline)) int tail1(int n) { leaf(n); return tail2(n); }
__attribute__((noinline)) int many(int a,int b,int c,int d,int e,int f,int g,int h,int i) { return leaf(a+b+c+d+e+f+g+h+i); }
struct big { char x[200]; };
__attribute__((noinline)) struct big bigret(struct big b, int n) { b.x[n] = leaf(n); return b; }
__attribute__((noinline)) int sw(int n) { switch (n) { case 0: return leaf(10); case 1: leaf(1); return 4; case 2: leaf(2); leaf(3); return 9; case 3: return dyn(33); case 4: leaf(9); return tail1(2); case 5: return leaf(1) * leaf(2); default: return leaf(0);} }
__attribute__((noinline)) double fl(double x) { return x * leaf((int)x) + 0.5; }
static void handler(int s) { leaf(s); rec(2); }
static void handler2(int s, siginfo_t *i, void *u) { leaf(s); raise(SIGUSR1); dyn(40); }
__attribute__((noinline, aligned(64))) int aligned(int n) { char a[64] __attribute__((aligned(64))); memset(a, n, 64); return leaf(a[5]) + rec(1); }
__attribute__((noinline)) int loop(int n) { int t = 0; for (int i = 0; i < n; i++) { t += leaf(i); if (t & 1) continue; t ^= tail1(i); } return t; }
static int cmp(const void *a, const void *b) { leaf(0); return *(const int *)a - *(const int *)b; }
static char alt[32768];
__attribute__((noinline, noreturn)) static void die(int n) { leaf(n); exit(n & 3); }
__attribute__((noinline)) int notret(int n) { if (n > 0) die(n); return leaf(0); }
int main(int argc, char **argv) {
  rec(5); dyn(100); tail1(3); many(1,2,3,4,5,6,7,8,9);
  struct big b = {{0}}; b = bigret(b, 3); leaf(b.x[3]);
  for (int i = 0; i < 7; i++) sw(i);
  fl(3.5); aligned(4); loop(5);
  int v[] = {4,2,7,1}; qsort(v, 4, sizeof *v, cmp);
  stack_t st = { .ss_sp = alt, .ss_size = sizeof alt }; sigaltstack(&st, 0);
  struct sigaction sa; memset(&sa, 0, sizeof sa); sa.sa_handler = handler; sigaction(SIGUSR1, &sa, 0);
  sa.sa_handler = 0; sa.sa_sigaction = handler2; sa.sa_flags = SA_SIGINFO | SA_ONSTACK; sigaction(SIGUSR2, &sa, 0);
  raise(SIGUSR1); raise(SIGUSR2);
  printf("%d %s %f\n", sink, "x", 1.5);
  notret(1);
}
