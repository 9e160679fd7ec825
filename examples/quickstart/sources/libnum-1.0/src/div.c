/* Dividing (Knuth's algorithm D), roots, greatest common divisors.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "internal.h"
#include <string.h>

uint32_t num_div_small(struct num *a, uint32_t by)
{
	uint64_t rem = 0;
	size_t i;

	for (i = a->len; i-- > 0;) {
		rem = rem << 32 | a->d[i];
		a->d[i] = (uint32_t)(rem / by);
		rem %= by;
	}
	num_trim(a);
	return (uint32_t)rem;
}

/* out = a shifted left by s (below 32) bits, one limb longer than a */
static void shift_up(uint32_t *out, const uint32_t *a, size_t n, int s)
{
	uint64_t t = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		t |= (uint64_t)a[i] << s;
		out[i] = (uint32_t)t;
		t >>= 32;
	}
	out[n] = (uint32_t)t;
}

static void long_division(struct num *q, struct num *u, const struct num *v)
{
	size_t n = v->len, m = u->len - 1 - n, i, j;
	uint64_t hat, rest, t, carry, borrow;

	for (j = m + 1; j-- > 0;) {
		t = (uint64_t)u->d[j + n] << 32 | u->d[j + n - 1];
		hat = t / v->d[n - 1];
		rest = t % v->d[n - 1];
		while (hat >> 32 || hat * v->d[n - 2] > (rest << 32 | u->d[j + n - 2])) {
			hat--;
			rest += v->d[n - 1];
			if (rest >> 32)
				break;
		}
		for (carry = borrow = 0, i = 0; i < n; i++) {
			carry += hat * v->d[i];
			t = (uint64_t)u->d[i + j] - (uint32_t)carry - borrow;
			u->d[i + j] = (uint32_t)t;
			borrow = t >> 63;
			carry >>= 32;
		}
		t = (uint64_t)u->d[j + n] - carry - borrow;
		u->d[j + n] = (uint32_t)t;
		if (t >> 63) { /* one too many */
			hat--;
			for (carry = 0, i = 0; i < n; i++) {
				carry += (uint64_t)u->d[i + j] + v->d[i];
				u->d[i + j] = (uint32_t)carry;
				carry >>= 32;
			}
			u->d[j + n] += (uint32_t)carry;
		}
		q->d[j] = (uint32_t)hat;
	}
}

int num_divmod(struct num *q, struct num *rem, const struct num *a, const struct num *b)
{
	struct num u, v, out;
	int aneg = a->neg, bneg = b->neg, s;
	uint32_t small;
	size_t i;

	if (b->len == 0)
		return 0;
	num_init(&u);
	num_init(&v);
	num_init(&out);
	if (num_cmp_abs(a, b) < 0) {
		num_set(&u, a);
	} else if (b->len == 1) {
		num_set(&out, a);
		small = num_div_small(&out, b->d[0]);
		num_reserve(&u, 1);
		u.d[0] = small;
		u.len = 1;
	} else {
		s = num_clz(b->d[b->len - 1]);
		num_reserve(&v, b->len + 1);
		shift_up(v.d, b->d, b->len, s);
		v.len = b->len;
		num_reserve(&u, a->len + 1);
		shift_up(u.d, a->d, a->len, s);
		u.len = a->len + 1;
		num_reserve(&out, a->len - b->len + 1);
		out.len = a->len - b->len + 1;
		long_division(&out, &u, &v);
		u.len = b->len;
		for (i = 0; s && i < u.len; i++)
			u.d[i] = u.d[i] >> s | (i + 1 < u.len ? u.d[i + 1] << (32 - s) : 0);
	}
	out.neg = aneg != bneg;
	u.neg = aneg;
	num_trim(&out);
	num_trim(&u);
	num_free(&v);
	if (q) {
		num_free(q);
		*q = out;
	} else {
		num_free(&out);
	}
	if (rem) {
		num_free(rem);
		*rem = u;
	} else {
		num_free(&u);
	}
	return 1;
}

void num_gcd(struct num *r, const struct num *a, const struct num *b)
{
	struct num x, y;

	num_init(&x);
	num_init(&y);
	num_set(&x, a);
	num_set(&y, b);
	x.neg = y.neg = 0;
	while (y.len) {
		num_divmod(NULL, &x, &x, &y);
		struct num t = x;
		x = y;
		y = t;
	}
	num_free(&y);
	num_free(r);
	*r = x;
}

int num_sqrt(struct num *r, const struct num *a)
{
	struct num x, y, two;

	if (a->neg)
		return 0;
	num_init(&x);
	num_init(&y);
	num_init(&two);
	num_set_int(&two, 2);
	num_pow(&x, &two, (unsigned long)(num_bits(a) + 1) / 2);
	for (;;) { /* Newton, from above */
		num_divmod(&y, NULL, a, &x);
		num_add(&y, &y, &x);
		num_div_small(&y, 2);
		if (num_cmp(&y, &x) >= 0)
			break;
		num_set(&x, &y);
	}
	num_free(&y);
	num_free(&two);
	num_free(r);
	*r = x;
	return 1;
}
