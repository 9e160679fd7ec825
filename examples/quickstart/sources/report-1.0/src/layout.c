/* Rules, columns, bars, paragraphs.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "report.h"
#include <string.h>

#define NAME_COLUMNS 14
#define VALUE_COLUMNS 8

static int width = 72;

void layout_width(int columns)
{
	width = columns < WIDTH_MIN ? WIDTH_MIN : columns > WIDTH_MAX ? WIDTH_MAX : columns;
}

/* Bytes of UTF-8 that start a character. */
static int columns_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xC0) != 0x80;
	return n;
}

static void repeat(FILE *f, char c, int times)
{
	while (times-- > 0)
		putc(c, f);
}

void layout_title(FILE *f, const char *title)
{
	int n = columns_of(title);

	repeat(f, '=', width);
	putc('\n', f);
	repeat(f, ' ', (width - n) / 2);
	fprintf(f, "%s\n", title);
	repeat(f, '=', width);
	putc('\n', f);
}

void layout_heading(FILE *f, const char *heading)
{
	fprintf(f, "\n%s\n", heading);
	repeat(f, '-', columns_of(heading));
	putc('\n', f);
}

static void start(FILE *f, const char *name, unsigned long value)
{
	fputs(name, f);
	repeat(f, ' ', NAME_COLUMNS - columns_of(name));
	fprintf(f, " %*lu", VALUE_COLUMNS, value);
}

void layout_row(FILE *f, const char *name, unsigned long value)
{
	start(f, name, value);
	putc('\n', f);
}

int layout_bar_room(void)
{
	return width - NAME_COLUMNS - VALUE_COLUMNS - 9;
}

void layout_bar(FILE *f, const char *name, unsigned long value, unsigned long per_mille, unsigned long length)
{
	start(f, name, value);
	fprintf(f, " %3lu.%lu%%", per_mille / 10, per_mille % 10);
	if (length) {
		putc(' ', f);
		repeat(f, '#', (int)length);
	}
	putc('\n', f);
}

void layout_paragraph(FILE *f, const char *text)
{
	int at = 0, n;
	const char *end;
	char word[256];

	for (;;) {
		while (*text == ' ')
			text++;
		if (!*text)
			break;
		end = strchr(text, ' ');
		n = (int)(end ? (size_t)(end - text) : strlen(text));
		snprintf(word, sizeof word, "%.*s", n, text);
		if (at && at + 1 + columns_of(word) > width) {
			putc('\n', f);
			at = 0;
		}
		at += fprintf(f, "%s%s", at ? " " : "", word) - (int)strlen(word) + columns_of(word);
		text += n;
	}
	putc('\n', f);
}
