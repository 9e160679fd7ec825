/* Powers modulo a number, and primes (Miller and Rabin's test).
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "internal.h"

int num_powmod(struct num *r, const struct num *a, const struct num *e, const struct num *m)
{
	struct num base, out;
	size_t i, bits = num_bits(e);

	if (e->neg || num_sign(m) <= 0)
		return 0;
	num_init(&base);
	num_init(&out);
	num_divmod(NULL, &base, a, m);
	if (base.neg)
		num_add(&base, &base, m);
	num_set_int(&out, 1);
	num_divmod(NULL, &out, &out, m);
	for (i = bits; i-- > 0;) {
		num_mul(&out, &out, &out);
		num_divmod(NULL, &out, &out, m);
		if (e->d[i / 32] >> (i % 32) & 1) {
			num_mul(&out, &out, &base);
			num_divmod(NULL, &out, &out, m);
		}
	}
	num_free(&base);
	num_free(r);
	*r = out;
	return 1;
}

static uint32_t mod_small(const struct num *a, uint32_t m)
{
	uint64_t rem = 0;
	size_t i;

	for (i = a->len; i-- > 0;)
		rem = (rem << 32 | a->d[i]) % m;
	return (uint32_t)rem;
}

/* a - 1 = odd * 2^twos; does the base show that a is not prime? */
static int witness(const struct num *a, const struct num *less, const struct num *odd, int twos, long base)
{
	struct num x, one;
	int found = 1, i;

	num_init(&x);
	num_init(&one);
	num_set_int(&one, 1);
	num_set_int(&x, base);
	num_powmod(&x, &x, odd, a);
	if (num_cmp(&x, &one) == 0 || num_cmp(&x, less) == 0)
		found = 0;
	for (i = 1; found && i < twos; i++) {
		num_mul(&x, &x, &x);
		num_divmod(NULL, &x, &x, a);
		if (num_cmp(&x, less) == 0)
			found = 0;
	}
	num_free(&x);
	num_free(&one);
	return found;
}

int num_is_prime(const struct num *a)
{
	struct num less, odd, one;
	int twos = 0, prime = 1, i;

	if (num_sign(a) <= 0)
		return 0;
	if (a->len == 1 && a->d[0] < 2)
		return 0;
	for (i = 0; i < PRIMES; i++) {
		if (a->len == 1 && (uint64_t)num_primes[i] * num_primes[i] > a->d[0])
			return 1;
		if (mod_small(a, num_primes[i]) == 0)
			return a->len == 1 && a->d[0] == num_primes[i];
	}
	if (a->len == 1)
		return 1;
	num_init(&less);
	num_init(&odd);
	num_init(&one);
	num_set_int(&one, 1);
	num_sub(&less, a, &one);
	num_set(&odd, &less);
	while (!(odd.d[0] & 1)) {
		num_div_small(&odd, 2);
		twos++;
	}
	for (i = 0; prime && i < 16; i++)
		prime = !witness(a, &less, &odd, twos, num_primes[i]);
	num_free(&less);
	num_free(&odd);
	num_free(&one);
	return prime;
}
