/* What the files of wordcount share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WORDCOUNT_H
#define WORDCOUNT_H
#include "config.h"
#include <libtext/text.h>
#include <stdio.h>

/* --- table.c: words and how often they came --- */
struct entry {
	char *word;
	uint64_t hash;
	unsigned long count;
	enum txt_lex lex;
};
struct table {
	struct entry *slot;
	size_t size, used; /* size is a power of two */
};
void table_init(struct table *t);
void table_free(struct table *t);
void table_add(struct table *t, const char *word, unsigned long times);
const struct entry *table_find(const struct table *t, const char *word);
/* All entries, most frequent first, equal ones by spelling; free() it. */
const struct entry **table_sorted(const struct table *t);

/* --- input.c: a file's whole content --- */
struct input {
	const char *data;
	size_t len;
	int mapped;
};
int input_open(struct input *in, const char *path); /* "-" is standard input */
void input_close(struct input *in);

/* --- stats.c: what is counted --- */
struct stats {
	unsigned long lines, words, columns, bytes, stops, sentences, bad;
	unsigned long by_length[17]; /* 16 and more in the last */
	unsigned long by_lex[TXT_LEX_NUMBER + 1];
	uint32_t crc;
	struct table table;
};
void stats_init(struct stats *s);
void stats_free(struct stats *s);
void stats_add(struct stats *s, const char *data, size_t len);

/* --- output.c --- */
enum { FORMAT_TEXT, FORMAT_TSV };
struct options {
	int format;
	int skip_stops;
	unsigned long top;
};
void output(FILE *f, const struct stats *s, const struct options *o);
const char *lex_name(enum txt_lex lex);
#endif
