/* The functions.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "calc.h"
#include <stdio.h>
#include <string.h>

typedef void function(struct calc *c, struct num *a, int n, struct num *out);

static long small(struct calc *c, const struct num *a, long low, long high, const char *what)
{
	long v;

	if (!num_get_int(a, &v) || v < low || v > high)
		calc_fail(c, "%s takes %ld to %ld", what, low, high);
	return v;
}

static void f_abs(struct calc *c, struct num *a, int n, struct num *out)
{
	(void)c; (void)n;
	num_set(out, &a[0]);
	out->neg = 0;
}

static void f_gcd(struct calc *c, struct num *a, int n, struct num *out)
{
	int i;

	(void)c;
	num_set(out, &a[0]);
	out->neg = 0;
	for (i = 1; i < n; i++)
		num_gcd(out, out, &a[i]);
}

static void f_max(struct calc *c, struct num *a, int n, struct num *out)
{
	int i, best = 0;

	(void)c;
	for (i = 1; i < n; i++)
		if (num_cmp(&a[i], &a[best]) > 0)
			best = i;
	num_set(out, &a[best]);
}

static void f_min(struct calc *c, struct num *a, int n, struct num *out)
{
	int i, best = 0;

	(void)c;
	for (i = 1; i < n; i++)
		if (num_cmp(&a[i], &a[best]) < 0)
			best = i;
	num_set(out, &a[best]);
}

static void f_sqrt(struct calc *c, struct num *a, int n, struct num *out)
{
	(void)n;
	if (!num_sqrt(out, &a[0]))
		calc_fail(c, "no root of a number below 0");
}

static void f_prime(struct calc *c, struct num *a, int n, struct num *out)
{
	(void)n;
	if (num_bits(&a[0]) > 20000)
		calc_fail(c, "too large to test");
	num_set_int(out, num_is_prime(&a[0]));
}

static void f_next(struct calc *c, struct num *a, int n, struct num *out)
{
	struct num one;

	(void)n;
	if (num_bits(&a[0]) > 2000)
		calc_fail(c, "too large to test");
	num_init(&one);
	num_set_int(&one, 1);
	num_set(out, &a[0]);
	do
		num_add(out, out, &one);
	while (num_sign(out) <= 0 || !num_is_prime(out));
	num_free(&one);
}

static void f_powmod(struct calc *c, struct num *a, int n, struct num *out)
{
	(void)n;
	if (!num_powmod(out, &a[0], &a[1], &a[2]))
		calc_fail(c, "powmod needs an exponent from 0 and a modulus above 0");
}

static void f_bits(struct calc *c, struct num *a, int n, struct num *out)
{
	(void)c; (void)n;
	num_set_int(out, (long)num_bits(&a[0]));
}

static void f_fib(struct calc *c, struct num *a, int n, struct num *out)
{
	struct num x, y, t;
	long i = small(c, &a[0], 0, 100000, "fib");

	(void)n;
	num_init(&x);
	num_init(&y);
	num_set_int(&y, 1);
	while (i-- > 0) {
		num_add(&x, &x, &y);
		t = x;
		x = y;
		y = t;
	}
	num_set(out, &x);
	num_free(&x);
	num_free(&y);
}

static void f_binomial(struct calc *c, struct num *a, int n, struct num *out)
{
	long top = small(c, &a[0], 0, 20000, "binomial"), low = small(c, &a[1], 0, top, "binomial"), i;
	struct num t;

	(void)n;
	if (low > top - low)
		low = top - low;
	num_init(&t);
	num_set_int(out, 1);
	for (i = 1; i <= low; i++) {
		num_set_int(&t, top - low + i);
		num_mul(out, out, &t);
		num_set_int(&t, i);
		num_divmod(out, NULL, out, &t);
	}
	num_free(&t);
}

/* The nearest whole per cent, or any other scale: ratio(1, 3, 100) is 33. */
static void f_ratio(struct calc *c, struct num *a, int n, struct num *out)
{
	struct num t;

	(void)n;
	if (num_sign(&a[1]) <= 0 || num_sign(&a[0]) < 0 || num_sign(&a[2]) < 0)
		calc_fail(c, "ratio needs a whole above 0 and no number below 0");
	num_init(&t);
	num_set_int(&t, 2);
	num_mul(out, &a[0], &a[2]);
	num_mul(out, out, &t);
	num_add(out, out, &a[1]);
	num_mul(&t, &t, &a[1]);
	num_divmod(out, NULL, out, &t);
	num_free(&t);
}

static const struct {
	const char *name;
	int least, most;
	function *f;
	const char *help;
} functions[] = {
	{ "abs", 1, 1, f_abs, "abs(a)           without the sign" },
	{ "binomial", 2, 2, f_binomial, "binomial(n, k)   ways to choose k out of n" },
	{ "bits", 1, 1, f_bits, "bits(a)          binary digits" },
	{ "fib", 1, 1, f_fib, "fib(n)           the n-th Fibonacci number" },
	{ "gcd", 1, ARGS_MAX, f_gcd, "gcd(a, ...)      greatest common divisor" },
	{ "max", 1, ARGS_MAX, f_max, "max(a, ...)      the largest" },
	{ "min", 1, ARGS_MAX, f_min, "min(a, ...)      the smallest" },
	{ "nextprime", 1, 1, f_next, "nextprime(a)     the first prime above a" },
	{ "powmod", 3, 3, f_powmod, "powmod(a, e, m)  a^e modulo m" },
	{ "prime", 1, 1, f_prime, "prime(a)         1 for a prime, else 0" },
	{ "ratio", 3, 3, f_ratio, "ratio(a, b, n)   a * n / b, rounded to the nearest" },
	{ "sqrt", 1, 1, f_sqrt, "sqrt(a)          the root, rounded down" },
};

#define COUNT (int)(sizeof functions / sizeof *functions)

void calc_call(struct calc *c, const char *name, struct num *args, int count, struct num *out)
{
	int i;

	for (i = 0; i < COUNT && strcmp(functions[i].name, name) != 0; i++)
		;
	if (i == COUNT)
		calc_fail(c, "there is no function '%s'", name);
	if (count < functions[i].least || count > functions[i].most)
		calc_fail(c, "%s does not take %d arguments", name, count);
	functions[i].f(c, args, count, out);
}

void calc_list_functions(void)
{
	int i;

	for (i = 0; i < COUNT; i++)
		printf("  %s\n", functions[i].help);
}
