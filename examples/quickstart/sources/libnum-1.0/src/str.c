/* Numbers from text and to text.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "internal.h"
#include <stdlib.h>
#include <string.h>

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 99;
}

int num_set_str(struct num *r, const char *s, int base)
{
	int neg = 0, d;

	if (*s == '+' || *s == '-')
		neg = *s++ == '-';
	if (!*s || base < 2 || base > 36)
		return 0;
	num_set_int(r, 0);
	for (; *s; s++) {
		d = digit_of(*s);
		if (d >= base)
			return 0;
		num_mul_add_small(r, (uint32_t)base, (uint32_t)d);
	}
	r->neg = neg && r->len;
	return 1;
}

char *num_get_str(const struct num *a, int base)
{
	size_t cap = a->len * 32 + 3, at = cap;
	char *s = malloc(cap);
	uint32_t chunk = (uint32_t)base, part;
	int digits = 1, k;
	struct num t;

	if (!s || base < 2 || base > 36)
		abort();
	while ((uint64_t)chunk * (uint32_t)base < 0x100000000u) {
		chunk *= (uint32_t)base;
		digits++;
	}
	num_init(&t);
	num_set(&t, a);
	s[--at] = '\0';
	while (t.len) {
		part = num_div_small(&t, chunk);
		for (k = 0; k < digits && (part || t.len); k++) {
			s[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[part % (uint32_t)base];
			part /= (uint32_t)base;
		}
	}
	if (!s[at])
		s[--at] = '0';
	if (a->neg)
		s[--at] = '-';
	num_free(&t);
	memmove(s, s + at, cap - at);
	return s;
}
