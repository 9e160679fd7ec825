/* report: a readable report on texts. wordcount counts, calc does the sums.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "report.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: report [-b FOLDER] [-n WORDS] [-t TITLE] [-w COLUMNS] FILE ...\n"
	"  -b FOLDER   where wordcount and calc are [next to report, or PATH]\n"
	"  -n WORDS    how many frequent words to show [8]\n"
	"  -t TITLE    title of the report\n"
	"  -w COLUMNS  width of the report, 40 to 200 [72]\n"
	"  -V          show the versions\n";

static void bars(FILE *f, const struct data *d, const char *kind, const char *heading, unsigned long whole)
{
	unsigned long top = 1, mille, length;
	char scale[64];
	size_t i;

	snprintf(scale, sizeof scale, "ratio(%%lu, %%lu, %d)", layout_bar_room());
	for (i = 0; i < d->count; i++)
		if (strcmp(d->item[i].kind, kind) == 0 && d->item[i].value > top)
			top = d->item[i].value;
	layout_heading(f, heading);
	for (i = 0; i < d->count; i++) {
		if (strcmp(d->item[i].kind, kind) != 0 || d->item[i].value == 0)
			continue;
		mille = helper_calc("ratio(%lu, %lu, 1000)", d->item[i].value, whole);
		length = helper_calc(scale, d->item[i].value, top);
		layout_bar(f, d->item[i].name, d->item[i].value, mille, length);
	}
}

static void totals(FILE *f, const struct data *d)
{
	static const char *const names[] = { "lines", "sentences", "words", "different", "stops", "characters", "bytes" };
	size_t i;

	layout_heading(f, "Totals");
	for (i = 0; i < sizeof names / sizeof *names; i++)
		layout_row(f, names[i], data_get(d, "total", names[i]));
}

static void reading(FILE *f, const struct data *d)
{
	unsigned long words = data_get(d, "total", "words"), sentences = data_get(d, "total", "sentences");
	unsigned long per, variety, minutes;
	char text[512];

	per = helper_calc("ratio(%lu, max(1, %lu), 10)", words, sentences);
	variety = helper_calc("ratio(%lu, max(1, %lu), 100)", data_get(d, "total", "different"), words);
	minutes = helper_calc("(%lu + %lu - 1) / 200", words, 200);
	snprintf(text, sizeof text,
		 "A sentence has %lu.%lu words on average. Of a hundred words, %lu are "
		 "met for the first time. At 200 words a minute, reading all of it "
		 "takes %lu minute%s.", per / 10, per % 10, variety, minutes, minutes == 1 ? "" : "s");
	layout_heading(f, "Reading");
	layout_paragraph(f, text);
}

static int versions(void)
{
	static const char *const args[] = { "--version", NULL };
	static const char *const programs[] = { "wordcount", "calc" };
	char *text;
	int i;

	printf("report %s\n", VERSION);
	for (i = 0; i < 2; i++) {
		text = helper_run(programs[i], args);
		if (!text)
			return 1;
		fputs(text, stdout);
		free(text);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *args[32] = { "-t", "-s", "-n", "8", "--" }, *title = "Report", *given = NULL;
	struct data d;
	int c, n = 5, show_versions = 0;
	char *text;

	while ((c = getopt(argc, argv, "b:n:t:w:hV")) != -1) {
		switch (c) {
		case 'b': given = optarg; break;
		case 'n': args[3] = optarg; break;
		case 't': title = optarg; break;
		case 'w': layout_width(atoi(optarg)); break;
		case 'h': fputs(help, stdout); return 0;
		case 'V': show_versions = 1; break;
		default: fputs(help, stderr); return 2;
		}
	}
	helper_folder(given);
	if (show_versions)
		return versions();
	if (optind == argc || argc - optind > 24) {
		fputs(help, stderr);
		return 2;
	}
	while (optind < argc)
		args[n++] = argv[optind++];
	text = helper_run("wordcount", args);
	if (!text)
		return 1;
	if (!data_parse(&d, text)) {
		fputs("report: cannot understand wordcount\n", stderr);
		return 1;
	}
	layout_title(stdout, title);
	totals(stdout, &d);
	if (data_get(&d, "total", "words")) {
		bars(stdout, &d, "length", "Words by length", data_get(&d, "total", "words"));
		if (data_sum(&d, "class"))
			bars(stdout, &d, "class", "Words by class", data_get(&d, "total", "words"));
		bars(stdout, &d, "word", "Frequent words", data_get(&d, "total", "words"));
		reading(stdout, &d);
	}
	data_free(&d);
	if (fflush(stdout) || ferror(stdout)) {
		perror("report");
		return 1;
	}
	return 0;
}
