/* The tests of libnum. Prints one line per test; fails if any does.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "libnum/num.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number, failed;
static uint64_t seed = 88172645463325252u;

static void ok(int good, const char *what)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, what);
	fflush(stdout);
	failed += !good;
}

static uint64_t roll(void) /* the same numbers in every run */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void some(struct num *r, int digits)
{
	char hex[4096];
	int i;

	for (i = 0; i < digits; i++)
		hex[i] = "0123456789abcdef"[roll() & 15];
	hex[i] = '\0';
	num_set_str(r, hex, 16);
	r->neg = r->len && (roll() & 1);
}

static int is(const struct num *a, const char *want)
{
	char *s = num_get_str(a, 10);
	int same = strcmp(s, want) == 0;

	if (!same)
		printf("# got %s, wanted %s\n", s, want);
	free(s);
	return same;
}

int main(void)
{
	static const char *const carmichael[] = { "561", "340561", "3825123056546413051", "318665857834031151167461" };
	struct num a, b, c, d, e;
	int i, base, good;
	long v;
	char *s;

	num_init(&a); num_init(&b); num_init(&c); num_init(&d); num_init(&e);

	for (good = 1, base = 2; base <= 36; base++) {
		for (i = 1; i < 200; i += 7) {
			some(&a, i);
			s = num_get_str(&a, base);
			good &= num_set_str(&b, s, base) && num_cmp(&a, &b) == 0;
			free(s);
		}
	}
	ok(good, "text and back, in every base");
	ok(!num_set_str(&a, "12x", 10) && !num_set_str(&a, "", 10) && !num_set_str(&a, "-", 10), "no number, no value");
	for (good = 1, i = 0; i < 3000; i++) {
		some(&a, (int)(roll() % 300));
		some(&b, (int)(roll() % 300));
		num_add(&c, &a, &b);
		num_sub(&d, &c, &b);
		num_sub(&e, &a, &c);
		num_add(&e, &e, &b);
		good &= num_cmp(&d, &a) == 0 && num_sign(&e) == 0;
	}
	ok(good, "adding and taking away again");
	for (good = 1, i = 0; i < 3000; i++) {
		some(&a, (int)(roll() % 900));
		some(&b, 1 + (int)(roll() % 700));
		some(&c, (int)(roll() % 500));
		num_add(&d, &a, &c);
		num_mul(&d, &d, &b);  /* (a + c) b = ab + cb */
		num_mul(&a, &a, &b);
		num_mul(&c, &c, &b);
		num_add(&e, &a, &c);
		good &= num_cmp(&d, &e) == 0;
	}
	ok(good, "multiplying distributes over adding");
	for (good = 1, i = 0; i < 3000; i++) {
		some(&a, (int)(roll() % 900));
		some(&b, 1 + (int)(roll() % 600));
		if (!num_divmod(&c, &d, &a, &b))
			continue;
		num_mul(&e, &c, &b);
		num_add(&e, &e, &d);
		good &= num_cmp(&e, &a) == 0;
		d.neg = 0;
		num_set(&c, &b);
		c.neg = 0;
		good &= num_cmp(&d, &c) < 0;
	}
	ok(good, "quotient times divisor plus rest");
	num_set_int(&b, 0);
	ok(!num_divmod(&c, &d, &a, &b), "no dividing by zero");
	num_set_int(&a, -7);
	num_set_int(&b, 2);
	ok(num_divmod(&c, &d, &a, &b) && is(&c, "-3") && is(&d, "-1"), "dividing rounds towards zero");
	num_factorial(&a, 30);
	ok(is(&a, "265252859812191058636308480000000"), "30!");
	num_set_int(&a, 2);
	num_pow(&a, &a, 127);
	num_set_int(&b, 1);
	num_sub(&a, &a, &b);
	ok(is(&a, "170141183460469231731687303715884105727") && num_bits(&a) == 127, "2^127 - 1");
	ok(num_is_prime(&a), "2^127 - 1 is prime");
	num_mul(&b, &a, &a);
	ok(num_sqrt(&c, &b) && num_cmp(&c, &a) == 0 && !num_is_prime(&b), "its square has it for a root and is not");
	for (good = 1, i = 0; i < 4; i++) {
		num_set_str(&a, carmichael[i], 10);
		good &= !num_is_prime(&a);
	}
	ok(good, "numbers that pass for primes with many bases");
	for (good = 0, i = 0; i < 10000; i++) {
		num_set_int(&a, i);
		good += num_is_prime(&a);
	}
	ok(good == 1229, "1229 primes below 10000");
	for (good = 1, i = 0; i < 400; i++) {
		some(&a, 1 + (int)(roll() % 200));
		a.neg = 0;
		num_sqrt(&b, &a);
		num_mul(&c, &b, &b);
		num_set_int(&d, 1);
		num_add(&b, &b, &d);
		num_mul(&e, &b, &b);
		good &= num_cmp(&c, &a) <= 0 && num_cmp(&e, &a) > 0;
	}
	ok(good, "square roots");
	num_set_str(&a, "1000000007", 10);
	num_set_int(&b, 3);
	num_set_str(&c, "1000000006", 10);
	ok(num_powmod(&d, &b, &c, &a) && is(&d, "1"), "Fermat's little theorem");
	num_factorial(&a, 200);
	num_factorial(&b, 190);
	num_gcd(&c, &a, &b);
	ok(num_cmp(&c, &b) == 0, "gcd of 200! and 190! is 190!");
	num_set_int(&a, -123456789);
	ok(num_get_int(&a, &v) && v == -123456789, "small numbers come back");
	num_factorial(&a, 30);
	ok(!num_get_int(&a, &v), "large ones do not");

	num_free(&a); num_free(&b); num_free(&c); num_free(&d); num_free(&e);
	printf("1..%d\n", number);
	if (failed)
		printf("# %d of %d tests failed\n", failed, number);
	return failed != 0;
}
