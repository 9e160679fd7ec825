/* Memory, comparing, adding.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "internal.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char *num_version(void)
{
	return VERSION;
}

void num_reserve(struct num *a, size_t limbs)
{
	if (limbs <= a->cap)
		return;
	if (limbs < a->cap + a->cap / 2)
		limbs = a->cap + a->cap / 2;
	if (limbs > (size_t)-1 / 8)
		abort();
#ifdef HAVE_REALLOCARRAY
	a->d = reallocarray(a->d, limbs, sizeof *a->d);
#else
	a->d = realloc(a->d, limbs * sizeof *a->d);
#endif
	if (!a->d)
		abort();
	a->cap = limbs;
}

void num_trim(struct num *a)
{
	while (a->len && a->d[a->len - 1] == 0)
		a->len--;
	if (a->len == 0)
		a->neg = 0;
}

int num_clz(uint32_t v)
{
#if defined HAVE_BUILTIN_CLZ && SIZEOF_INT == 4
	return __builtin_clz(v);
#else
	int n = 0;

	while (!(v & 0x80000000u)) {
		v <<= 1;
		n++;
	}
	return n;
#endif
}

void num_init(struct num *a)
{
	memset(a, 0, sizeof *a);
}

void num_free(struct num *a)
{
	free(a->d);
	num_init(a);
}

void num_set(struct num *r, const struct num *a)
{
	if (r == a)
		return;
	num_reserve(r, a->len);
	if (a->len)
		memcpy(r->d, a->d, a->len * sizeof *a->d);
	r->len = a->len;
	r->neg = a->neg;
}

void num_set_int(struct num *r, long v)
{
	unsigned long long u = v < 0 ? 0ull - (unsigned long long)v : (unsigned long long)v;

	num_reserve(r, 2);
	r->neg = v < 0;
	r->d[0] = (uint32_t)u;
	r->d[1] = (uint32_t)(u >> 32);
	r->len = 2;
	num_trim(r);
}

int num_get_int(const struct num *a, long *v)
{
	unsigned long long u = 0;

	if (a->len > 2)
		return 0;
	if (a->len > 1)
		u = (unsigned long long)a->d[1] << 32;
	if (a->len > 0)
		u |= a->d[0];
	if (u > (unsigned long long)LONG_MAX)
		return 0;
	*v = a->neg ? -(long)u : (long)u;
	return 1;
}

int num_sign(const struct num *a)
{
	return a->len == 0 ? 0 : a->neg ? -1 : 1;
}

size_t num_bits(const struct num *a)
{
	return a->len ? a->len * 32 - (size_t)num_clz(a->d[a->len - 1]) : 0;
}

int num_cmp_abs(const struct num *a, const struct num *b)
{
	size_t i;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	for (i = a->len; i-- > 0;)
		if (a->d[i] != b->d[i])
			return a->d[i] < b->d[i] ? -1 : 1;
	return 0;
}

int num_cmp(const struct num *a, const struct num *b)
{
	if (a->neg != b->neg)
		return a->neg ? -1 : 1;
	return a->neg ? num_cmp_abs(b, a) : num_cmp_abs(a, b);
}

/* |a| + |b|; a has at least as many limbs as b. */
static void add_abs(struct num *r, const struct num *a, const struct num *b)
{
	size_t i, n = a->len, m = b->len;
	uint64_t carry = 0;

	num_reserve(r, n + 1);
	for (i = 0; i < n; i++) {
		carry += (uint64_t)a->d[i] + (i < m ? b->d[i] : 0);
		r->d[i] = (uint32_t)carry;
		carry >>= 32;
	}
	r->d[n] = (uint32_t)carry;
	r->len = n + 1;
}

/* |a| - |b|; |a| is not below |b|. */
static void sub_abs(struct num *r, const struct num *a, const struct num *b)
{
	size_t i, n = a->len, m = b->len;
	uint64_t v, borrow = 0;

	num_reserve(r, n);
	for (i = 0; i < n; i++) {
		v = (uint64_t)a->d[i] - (i < m ? b->d[i] : 0) - borrow;
		r->d[i] = (uint32_t)v;
		borrow = v >> 63;
	}
	r->len = n;
}

static void add_signed(struct num *r, const struct num *a, const struct num *b, int bneg)
{
	int neg = a->neg;

	if (a->neg == bneg) {
		if (a->len >= b->len)
			add_abs(r, a, b);
		else
			add_abs(r, b, a);
	} else if (num_cmp_abs(a, b) >= 0) {
		sub_abs(r, a, b);
	} else {
		neg = bneg;
		sub_abs(r, b, a);
	}
	r->neg = neg;
	num_trim(r);
}

void num_add(struct num *r, const struct num *a, const struct num *b)
{
	add_signed(r, a, b, b->neg);
}

void num_sub(struct num *r, const struct num *a, const struct num *b)
{
	add_signed(r, a, b, b->len ? !b->neg : 0);
}
