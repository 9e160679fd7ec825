/* Multiplying: unrolled kernels for small sizes, Karatsuba above.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "internal.h"
#include <stdlib.h>
#include <string.h>

/* r[0..n+m) = a * b */
static void school(uint32_t *r, const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
	size_t i, k;
	uint64_t t;

	memset(r, 0, (n + m) * sizeof *r);
	for (i = 0; i < n; i++) {
		for (t = 0, k = 0; k < m; k++) {
			t += (uint64_t)a[i] * b[k] + r[i + k];
			r[i + k] = (uint32_t)t;
			t >>= 32;
		}
		r[i + m] = (uint32_t)t;
	}
}

/* r[at..) += a; the sum fits */
static void add_at(uint32_t *r, size_t at, const uint32_t *a, size_t n)
{
	uint64_t t = 0;
	size_t i;

	for (i = 0; i < n || t; i++) {
		t += (uint64_t)r[at + i] + (i < n ? a[i] : 0);
		r[at + i] = (uint32_t)t;
		t >>= 32;
	}
}

/* r[0..rn) -= a; the difference is not negative */
static void sub_from(uint32_t *r, size_t rn, const uint32_t *a, size_t n)
{
	uint64_t v, borrow = 0;
	size_t i;

	for (i = 0; i < rn && (i < n || borrow); i++) {
		v = (uint64_t)r[i] - (i < n ? a[i] : 0) - borrow;
		r[i] = (uint32_t)v;
		borrow = v >> 63;
	}
}

/* s = a[0..h) + a[h..n), h + 1 limbs */
static void fold(uint32_t *s, const uint32_t *a, size_t n, size_t h)
{
	memcpy(s, a, h * sizeof *s);
	s[h] = 0;
	add_at(s, 0, a + h, n - h);
}

/* Both have n limbs. The scratch space needs 8 * n + 256 limbs. */
static void equal_sized(uint32_t *r, const uint32_t *a, const uint32_t *b, size_t n, uint32_t *scratch)
{
	size_t h = (n + 1) / 2;
	uint32_t *sa = scratch, *sb = sa + h + 1, *mid = sb + h + 1, *rest = mid + 2 * h + 2;

	if (n <= KERNEL_MAX) {
		num_kernels[n](r, a, b);
		return;
	}
	fold(sa, a, n, h);
	fold(sb, b, n, h);
	equal_sized(mid, sa, sb, h + 1, rest);
	equal_sized(r, a, b, h, rest);
	equal_sized(r + 2 * h, a + h, b + h, n - h, rest);
	sub_from(mid, 2 * h + 2, r, 2 * h);
	sub_from(mid, 2 * h + 2, r + 2 * h, 2 * (n - h));
	n = 2 * h + 2;
	while (n && mid[n - 1] == 0)
		n--;
	add_at(r, h, mid, n);
}

void num_mul(struct num *r, const struct num *a, const struct num *b)
{
	struct num t;
	uint32_t *scratch, *part;
	size_t i, n, m;

	if (a->len < b->len) {
		num_mul(r, b, a);
		return;
	}
	n = a->len;
	m = b->len;
	num_init(&t);
	num_reserve(&t, n + m + 1);
	t.len = n + m;
	t.neg = a->neg != b->neg;
	if (m == n && n <= KERNEL_MAX) {
		num_kernels[n](t.d, a->d, b->d);
	} else if (m < KERNEL_MAX) {
		school(t.d, a->d, n, b->d, m);
	} else {
		/* b times a, in slices of a that are as long as b */
		scratch = malloc((10 * m + 512) * sizeof *scratch);
		if (!scratch)
			abort();
		part = scratch + 8 * m + 256;
		memset(t.d, 0, (n + m) * sizeof *t.d);
		for (i = 0; i + m <= n; i += m) {
			equal_sized(part, a->d + i, b->d, m, scratch);
			add_at(t.d, i, part, 2 * m);
		}
		if (i < n) {
			school(part, b->d, m, a->d + i, n - i);
			add_at(t.d, i, part, m + n - i);
		}
		free(scratch);
	}
	num_trim(&t);
	num_free(r);
	*r = t;
}

void num_mul_add_small(struct num *a, uint32_t by, uint32_t plus)
{
	uint64_t t = plus;
	size_t i;

	num_reserve(a, a->len + 1);
	for (i = 0; i < a->len; i++) {
		t += (uint64_t)a->d[i] * by;
		a->d[i] = (uint32_t)t;
		t >>= 32;
	}
	a->d[a->len++] = (uint32_t)t;
	num_trim(a);
}

void num_pow(struct num *r, const struct num *a, unsigned long e)
{
	struct num base, out;

	num_init(&base);
	num_init(&out);
	num_set(&base, a);
	num_set_int(&out, 1);
	for (; e; e >>= 1) {
		if (e & 1)
			num_mul(&out, &out, &base);
		if (e > 1)
			num_mul(&base, &base, &base);
	}
	num_free(&base);
	num_free(r);
	*r = out;
}

/* The product of lo+1 .. hi, halves first so that both sides stay alike. */
static void span(struct num *r, unsigned long lo, unsigned long hi)
{
	struct num right;

	if (hi - lo <= 1) {
		num_set_int(r, hi > lo ? (long)hi : 1);
		return;
	}
	num_init(&right);
	span(r, lo, lo + (hi - lo) / 2);
	span(&right, lo + (hi - lo) / 2, hi);
	num_mul(r, r, &right);
	num_free(&right);
}

void num_factorial(struct num *r, unsigned long n)
{
	span(r, 0, n);
}
