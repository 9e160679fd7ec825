/* calc: a calculator for whole numbers of any size.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "calc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *f)
{
	fputs("usage: calc [-b BASE] [EXPRESSION ...]\n"
	      "  -b BASE    show results in base 2 to 36 [10]\n"
	      "  --version  show the version\n"
	      "With no expression, standard input is read, one on a line.\n"
	      "  + - * / % ^ !  == != < <= > >=  name = value  0xff 0b101 0o17 1_000\n", f);
}

static int work(struct calc *c, const char *line, int base, const char *where, unsigned long number)
{
	struct num out;
	int got;
	char *s;

	num_init(&out);
	got = calc_line(c, line, &out);
	if (got > 0) {
		s = num_get_str(&out, base);
		puts(s);
		free(s);
	} else if (got == 0) {
		fflush(stdout);
		fprintf(stderr, "calc: %s %lu: %s\n", where, number, c->error);
	}
	num_free(&out);
	return got != 0;
}

int main(int argc, char **argv)
{
	struct txt_buf line;
	static struct calc c;
	int base = 10, i, status = 0;
	unsigned long number = 0;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		} else if (strcmp(argv[i], "-b") == 0 && i + 1 < argc) {
			base = (int)strtoul(argv[++i], NULL, 10);
			if (base < 2 || base > 36) {
				fputs("calc: the base is from 2 to 36\n", stderr);
				return 2;
			}
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("calc %s (libnum %s, libtext %s)\n", VERSION, num_version(), txt_version());
			return 0;
		} else if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			calc_list_functions();
			return 0;
		} else if (strchr("0123456789(", argv[i][1])) {
			break; /* a number below 0 */
		} else {
			usage(stderr);
			return 2;
		}
	}
	calc_init(&c);
	if (i < argc) {
		for (; i < argc; i++)
			if (!work(&c, argv[i], base, "expression", ++number))
				status = 1;
	} else {
		txt_buf_init(&line);
		for (;;) {
#ifdef HAVE_ISATTY
			if (isatty(0)) {
				fputs("> ", stdout);
				fflush(stdout);
			}
#endif
			if (!txt_read_line(stdin, &line))
				break;
			if (!work(&c, line.data, base, "line", ++number))
				status = 1;
		}
		txt_buf_free(&line);
	}
	calc_free(&c);
	if (fflush(stdout) || ferror(stdout)) {
		perror("calc");
		status = 1;
	}
	return status;
}
