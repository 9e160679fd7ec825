/* What the files of libnum share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef INTERNAL_H
#define INTERNAL_H
#include "config.h"
#include "libnum/num.h"

#ifdef HAVE_RESTRICT
#define RESTRICT restrict
#else
#define RESTRICT
#endif

/* gen/mkkernels writes these: products of two numbers of n limbs each,
 * unrolled, for every n up to KERNEL_MAX. */
#define KERNEL_MAX 28
typedef void num_kernel(uint32_t *RESTRICT r, const uint32_t *RESTRICT a, const uint32_t *RESTRICT b);
extern num_kernel *const num_kernels[KERNEL_MAX + 1];

/* gen/mkprimes writes these: the primes below 65536. */
#define PRIMES 6542
extern const uint16_t num_primes[PRIMES];

void num_reserve(struct num *a, size_t limbs);
void num_trim(struct num *a);
int num_cmp_abs(const struct num *a, const struct num *b);
uint32_t num_div_small(struct num *a, uint32_t by); /* returns the remainder */
void num_mul_add_small(struct num *a, uint32_t by, uint32_t plus);
int num_clz(uint32_t v); /* zero bits above the highest one; v is not 0 */
#endif
