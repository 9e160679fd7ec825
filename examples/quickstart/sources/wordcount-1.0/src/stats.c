/* Counting.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wordcount.h"
#include <string.h>

void stats_init(struct stats *s)
{
	memset(s, 0, sizeof *s);
	table_init(&s->table);
}

void stats_free(struct stats *s)
{
	table_free(&s->table);
}

static void count_characters(struct stats *s, const char *data, size_t len)
{
	int letters = 0; /* since the last sentence ended */
	uint32_t cp;
	size_t k;

	while (len > 0) {
		k = txt_decode(data, len, &cp);
		if (cp == TXT_BAD && k == 1)
			s->bad++;
		if (cp == '\n')
			s->lines++;
		else if (txt_classify(cp) != TXT_MARK)
			s->columns++;
		if (txt_classify(cp) == TXT_LETTER) {
			letters = 1;
		} else if (letters && (cp == '.' || cp == '!' || cp == '?' || cp == 0x2026)) {
			s->sentences++;
			letters = 0;
		}
		data += k;
		len -= k;
	}
}

void stats_add(struct stats *s, const char *data, size_t len)
{
	struct txt_buf word;
	size_t pos = 0, columns;
	enum txt_lex lex;

	txt_buf_init(&word);
	s->bytes += len;
	s->crc = txt_crc32(s->crc, data, len);
	count_characters(s, data, len);
	while (txt_next_word(data, len, &pos, &word)) {
		s->words++;
		columns = txt_columns(word.data, word.len);
		s->by_length[columns < 16 ? columns : 16]++;
		lex = txt_lexicon(word.data);
		s->by_lex[lex]++;
		if (txt_is_stop_word(word.data))
			s->stops++;
		table_add(&s->table, word.data, 1);
	}
	txt_buf_free(&word);
}
