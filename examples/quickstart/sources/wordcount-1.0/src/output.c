/* Showing the counts, for people or for programs.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wordcount.h"
#include <stdlib.h>

const char *lex_name(enum txt_lex lex)
{
	static const char *const names[] = {
		"-", "article", "pronoun", "preposition", "conjunction",
		"auxiliary", "adverb", "verb", "number"
	};

	return names[lex];
}

static void text(FILE *f, const struct stats *s)
{
	int i;

	fprintf(f, "%10lu lines\n%10lu sentences\n%10lu words, %lu different, %lu stop words\n",
		s->lines, s->sentences, s->words, (unsigned long)s->table.used, s->stops);
	fprintf(f, "%10lu characters in %lu bytes, CRC-32 %08lx\n", s->columns, s->bytes, (unsigned long)s->crc);
	if (s->bad)
		fprintf(f, "%10lu bytes that are not UTF-8\n", s->bad);
	fprintf(f, "\nwords by length:");
	for (i = 1; i <= 16; i++)
		if (s->by_length[i])
			fprintf(f, " %d%s:%lu", i, i == 16 ? "+" : "", s->by_length[i]);
	fprintf(f, "\nwords by class:");
	for (i = 1; i <= TXT_LEX_NUMBER; i++)
		if (s->by_lex[i])
			fprintf(f, " %s:%lu", lex_name((enum txt_lex)i), s->by_lex[i]);
	fprintf(f, "\n\n");
}

static void tsv(FILE *f, const struct stats *s)
{
	int i;

	fprintf(f, "total\tlines\t%lu\ntotal\tsentences\t%lu\ntotal\twords\t%lu\n", s->lines, s->sentences, s->words);
	fprintf(f, "total\tdifferent\t%lu\ntotal\tstops\t%lu\n", (unsigned long)s->table.used, s->stops);
	fprintf(f, "total\tcharacters\t%lu\ntotal\tbytes\t%lu\n", s->columns, s->bytes);
	for (i = 1; i <= 16; i++)
		fprintf(f, "length\t%d\t%lu\n", i, s->by_length[i]);
	for (i = 1; i <= TXT_LEX_NUMBER; i++)
		fprintf(f, "class\t%s\t%lu\n", lex_name((enum txt_lex)i), s->by_lex[i]);
}

void output(FILE *f, const struct stats *s, const struct options *o)
{
	const struct entry **list = table_sorted(&s->table);
	unsigned long shown = 0;
	size_t i;

	if (o->format == FORMAT_TSV)
		tsv(f, s);
	else
		text(f, s);
	for (i = 0; list[i] && shown < o->top; i++) {
		if (o->skip_stops && txt_is_stop_word(list[i]->word))
			continue;
		if (o->format == FORMAT_TSV)
			fprintf(f, "word\t%s\t%lu\n", list[i]->word, list[i]->count);
		else
			fprintf(f, "%10lu %s\n", list[i]->count, list[i]->word);
		shown++;
	}
	free(list);
}
