/* Functions whose way to their return cannot be read off the code: jumps through tables and registers, loops without an end, stacks of a size
   that is known at run time only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile int sink, turns;

__attribute__((noinline)) int leaf(int x) { return sink += x; }

/* GNU C's computed goto: an interpreter. */
__attribute__((noinline)) int interpret(const unsigned char *code) {
  static void *const operations[] = {&&add, &&call, &&end};
  int total = 0;
  goto *operations[*code];
add:
  total += 3;
  goto *operations[*++code];
call:
  total += leaf(total);
  goto *operations[*++code];
end:
  return total;
}

__attribute__((noinline)) int endless(int n) {
  for (;;) {
    leaf(n);
    if (++turns > 5) exit(turns);
  }
}

__attribute__((noinline)) int variable(int n) {
  char *room = __builtin_alloca(n);
  memset(room, n, n);
  return leaf(room[n / 2]);
}

__attribute__((noinline)) int tail(int n) {
  int (*volatile next)(int) = variable;
  return next(n);
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(void) {
  int numbers[] = {5, 3, 9, 1, 7};
  qsort(numbers, 5, sizeof *numbers, compare);
  interpret((const unsigned char *)"\0\1\0\1\2");
  for (int i = 16; i < 20; i++) tail(i);
  char text[40];
  snprintf(text, sizeof text, "%d %s", numbers[2], "five");
  return endless(leaf(text[0]));
}
