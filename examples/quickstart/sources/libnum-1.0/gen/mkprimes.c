/* Writes src/primes.c: the primes below 65536, by Eratosthenes.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "../src/internal.h"
#include <stdio.h>

int main(void)
{
	static char composite[65536];
	unsigned i, k, n = 0;

	puts("/* Made by gen/mkprimes; do not edit. */\n#include \"internal.h\"\n\nconst uint16_t num_primes[PRIMES] = {");
	for (i = 2; i < 65536; i++) {
		if (composite[i])
			continue;
		for (k = 2 * i; k < 65536; k += i)
			composite[k] = 1;
		printf("%u,%s", i, ++n % 12 ? " " : "\n");
	}
	puts("\n};");
	if (n != PRIMES) {
		fprintf(stderr, "mkprimes: %u primes, not %d\n", n, PRIMES);
		return 1;
	}
	return ferror(stdout) || fflush(stdout);
}
