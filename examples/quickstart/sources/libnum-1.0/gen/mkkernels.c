/* Writes src/kernels-N.c: unrolled products of two numbers of n limbs.
 * Columns from low to high; a column's sum lives in lo (64 bits) and hi.
 * usage: mkkernels FIRST LAST | mkkernels table
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "../src/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void kernel(int n)
{
	int col, i, low, high;

	printf("num_kernel num_kernel_%d;\nvoid num_kernel_%d(uint32_t *RESTRICT r, const uint32_t *RESTRICT a, const uint32_t *RESTRICT b)\n{\n", n, n);
	puts("\tuint64_t lo = 0, hi = 0, p;\n");
	for (col = 0; col < 2 * n - 1; col++) {
		low = col < n ? 0 : col - n + 1;
		high = col < n ? col : n - 1;
		for (i = low; i <= high; i++)
			printf("\tp = (uint64_t)a[%d] * b[%d]; lo += p; hi += lo < p;\n", i, col - i);
		printf("\tr[%d] = (uint32_t)lo; lo = lo >> 32 | hi << 32; hi >>= 32;\n", col);
	}
	printf("\tr[%d] = (uint32_t)lo;\n}\n\n", 2 * n - 1);
}

int main(int argc, char **argv)
{
	int n, first, last;

	puts("/* Made by gen/mkkernels; do not edit. */\n#include \"internal.h\"\n");
	if (argc == 2 && strcmp(argv[1], "table") == 0) {
		puts("static void nothing(uint32_t *RESTRICT r, const uint32_t *RESTRICT a, const uint32_t *RESTRICT b)\n{\n\t(void)r; (void)a; (void)b;\n}\n");
		for (n = 1; n <= KERNEL_MAX; n++)
			printf("num_kernel num_kernel_%d;\n", n);
		puts("\nnum_kernel *const num_kernels[KERNEL_MAX + 1] = {\n\tnothing,");
		for (n = 1; n <= KERNEL_MAX; n++)
			printf("\tnum_kernel_%d,\n", n);
		puts("};");
	} else if (argc == 3) {
		first = atoi(argv[1]);
		last = atoi(argv[2]);
		for (n = first; n <= last && n <= KERNEL_MAX; n++)
			kernel(n);
	} else {
		fprintf(stderr, "usage: mkkernels FIRST LAST | mkkernels table\n");
		return 2;
	}
	return ferror(stdout) || fflush(stdout);
}
