/* libnum: whole numbers of any size.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef LIBNUM_NUM_H
#define LIBNUM_NUM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

const char *num_version(void);

struct num {
	int neg;       /* never set for zero */
	size_t len;    /* limbs in use; the highest is not 0 */
	size_t cap;
	uint32_t *d;   /* lowest limb first */
};

/* Any of the operands may be the same number as the result. Running out of
 * memory ends the program. */
void num_init(struct num *a);
void num_free(struct num *a);
void num_set(struct num *r, const struct num *a);
void num_set_int(struct num *r, long v);
int num_get_int(const struct num *a, long *v); /* 1, or 0 when it does not fit */

/* base: 2 to 36. num_set_str takes a sign and digits, nothing else; 1 or 0.
 * num_get_str returns memory to be given to free. */
int num_set_str(struct num *r, const char *s, int base);
char *num_get_str(const struct num *a, int base);

int num_cmp(const struct num *a, const struct num *b); /* below, at, above 0 */
int num_sign(const struct num *a);
size_t num_bits(const struct num *a);

void num_add(struct num *r, const struct num *a, const struct num *b);
void num_sub(struct num *r, const struct num *a, const struct num *b);
void num_mul(struct num *r, const struct num *a, const struct num *b);
/* Rounds towards zero, as C does; q or rem may be NULL. 0 when b is zero. */
int num_divmod(struct num *q, struct num *rem, const struct num *a, const struct num *b);
void num_pow(struct num *r, const struct num *a, unsigned long e);
/* a to the e, modulo m; 0 when e is negative or m not positive. */
int num_powmod(struct num *r, const struct num *a, const struct num *e, const struct num *m);
void num_gcd(struct num *r, const struct num *a, const struct num *b);
/* The root rounded down; 0 when a is negative. */
int num_sqrt(struct num *r, const struct num *a);
void num_factorial(struct num *r, unsigned long n);
/* 0: not prime. 1: prime (certain below 3.3e24, else all but certain). */
int num_is_prime(const struct num *a);

#ifdef __cplusplus
}
#endif
#endif
