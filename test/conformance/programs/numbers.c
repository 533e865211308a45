/*
 * Floating point and vectors in a program's own way: long double and the x87's transcendental functions to 17 digits, loops that
 * the compiler vectorizes, string functions that the C library picks by CPUID, and a signal handler that clobbers vector registers.
 */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define UNARY(name, op) \
	static long double name(long double x) { long double r; __asm__(op : "=t"(r) : "0"(x)); return r; }
UNARY(f2xm1, "f2xm1")
UNARY(fsin, "fsin")
UNARY(fcos, "fcos")
UNARY(x87sqrt, "fsqrt")

static long double ftan(long double x)
{
	long double one, r;
	__asm__("fptan" : "=t"(one), "=u"(r) : "0"(x));
	return r;
}
static long double fatan(long double y, long double x)
{
	long double r;
	__asm__("fpatan" : "=t"(r) : "0"(x), "u"(y) : "st(1)");
	return r;
}
static long double flog(long double y, long double x)
{
	long double r;
	__asm__("fyl2x" : "=t"(r) : "0"(x), "u"(y) : "st(1)");
	return r;
}
static long double flog1(long double y, long double x)
{
	long double r;
	__asm__("fyl2xp1" : "=t"(r) : "0"(x), "u"(y) : "st(1)");
	return r;
}

static void transcendental(void)
{
	for (int i = -20; i <= 20; i++) {
		long double x = i * 0.371L + 0.01L, small = i / 80.0L;
		printf("%d %.17Lg %.17Lg %.17Lg %.17Lg\n", i, fsin(x), fcos(x), ftan(x), f2xm1(small * 4));
		printf("%.17Lg %.17Lg %.17Lg %.17Lg\n", fatan(x, 0.7L), flog(x, 1 + fabsl(x)), flog1(x, small), x87sqrt(fabsl(x)));
		printf("%.17Lg %.17Lg %.17Lg %.17Lg\n", expl(x), logl(fabsl(x)), powl(fabsl(x), 1.7L), atan2l(x, -small));
		printf("%.17g %.17g %.17g %.17g\n", sin((double)x), exp((double)x), pow(fabs((double)x), 0.3), tanh((double)x));
	}
}

static float a[1003], b[1003], c[1003];
static double d[1003];
static int32_t n[1003];

__attribute__((noinline)) static void vectors(void)
{
	for (int i = 0; i < 1003; i++) {
		a[i] = i * 0.25f - 100;
		b[i] = (float)(i % 17) + 0.5f;
		n[i] = (i * 7919) ^ (i << 9);
	}
	for (int i = 0; i < 1003; i++) c[i] = a[i] * b[i] + c[(i * 3) % 1003];
	for (int i = 0; i < 1003; i++) d[i] = n[i] < 0 ? a[i] / b[i] : sqrt(b[i]);
	for (int i = 0; i < 1003; i++) n[i] = n[n[i] & 511] > n[i] ? n[i] >> (i & 15) : n[i] * 3;
	double total = 0;
	int64_t sum = 0;
	for (int i = 0; i < 1003; i++) {
		total += c[i] * d[i];
		sum += n[i];
	}
	printf("%.17g %lld\n", total, (long long)sum);
}

static void strings(void)
{
	char *text = malloc(5000);
	for (int i = 0; i < 4999; i++) text[i] = 'a' + i % 26;
	text[4999] = 0;
	printf("%zu %td %td ", strlen(text), strchr(text + 3, 'c') - text, strstr(text, "xyzab") - text);
	memmove(text + 13, text, 3000);
	printf("%d %td %zu\n", memcmp(text, text + 26, 900), (char *)memchr(text, 'z', 5000) - text, strspn(text, "abcdefghijklm"));
}

static volatile double clobbered;

/* What the frame says of its XSAVE image: struct _fpx_sw_bytes, and the second magic number behind the area. */
static void frame(const ucontext_t *context)
{
	const char *image = (const char *)context->uc_mcontext.fpregs + (sizeof(void *) == 4 ? 112 : 0);
	uint32_t words[5], magic2;
	memcpy(words, image + 464, sizeof words);
	memcpy(&magic2, image + words[4], 4);
	printf("%x %u %u %x\n", words[0], words[1] - words[4], words[2] & 7, magic2);
}

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)info;
	frame(context);
	vectors();
	clobbered = signal * 1.5;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &action, 0);
	transcendental();
	vectors();
	strings();
	double kept[8];
	for (int i = 0; i < 8; i++) kept[i] = clobbered + i / 3.0;
	raise(SIGUSR1);
	for (int i = 0; i < 8; i++) printf("%.17g ", kept[i] * clobbered);
	puts("");
	return 0;
}
