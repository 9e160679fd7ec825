/* wordcount: counts lines, sentences, words and which words.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wordcount.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_GETOPT_LONG
#include <getopt.h>
#endif

static const char help[] =
	"usage: wordcount [-t] [-s] [-n N] [FILE ...]\n"
	"  -n, --top N       show the N most frequent words [10]\n"
	"  -s, --skip-stops  leave out words like 'the' and 'of' there\n"
	"  -t, --tsv         lines of kind, name and number, parted by tabs\n"
	"  -V, --version     show the version\n"
	"With no FILE, or with -, standard input is read.\n";

static int next_option(int argc, char **argv)
{
#ifdef HAVE_GETOPT_LONG
	static const struct option longs[] = {
		{ "top", required_argument, NULL, 'n' },
		{ "skip-stops", no_argument, NULL, 's' },
		{ "tsv", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};

	return getopt_long(argc, argv, "n:sthV", longs, NULL);
#else
	return getopt(argc, argv, "n:sthV");
#endif
}

int main(int argc, char **argv)
{
	struct options o = { FORMAT_TEXT, 0, 10 };
	static char *standard[] = { "-", NULL };
	char **files, *end;
	struct stats s;
	struct input in;
	int c, status = 0;

	while ((c = next_option(argc, argv)) != -1) {
		switch (c) {
		case 'n':
			o.top = strtoul(optarg, &end, 10);
			if (end == optarg || *end) {
				fprintf(stderr, "wordcount: not a number: %s\n", optarg);
				return 2;
			}
			break;
		case 's': o.skip_stops = 1; break;
		case 't': o.format = FORMAT_TSV; break;
		case 'h': fputs(help, stdout); return 0;
		case 'V': printf("wordcount %s (libtext %s)\n", VERSION, txt_version()); return 0;
		default: fputs(help, stderr); return 2;
		}
	}
	files = optind < argc ? argv + optind : standard;
	stats_init(&s);
	for (; *files; files++) {
		if (!input_open(&in, *files)) {
			fprintf(stderr, "wordcount: %s: %s\n", *files, strerror(errno));
			status = 1;
			continue;
		}
		stats_add(&s, in.data, in.len);
		input_close(&in);
	}
	output(stdout, &s, &o);
	stats_free(&s);
	if (fflush(stdout) || ferror(stdout)) {
		perror("wordcount");
		status = 1;
	}
	return status;
}
