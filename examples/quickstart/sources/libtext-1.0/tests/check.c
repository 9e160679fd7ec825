/* The tests of libtext. Prints one line per test; fails if any does.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "libtext/text.h"
#include <string.h>

static int number, failed;

static void ok(int good, const char *what)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, what);
	failed += !good;
}

/* CRC-32 again, bit by bit, to hold the tables against. */
static uint32_t slow_crc(const unsigned char *p, size_t n)
{
	uint32_t c = ~(uint32_t)0;
	int k;

	while (n-- > 0)
		for (c ^= *p++, k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1;
	return ~c;
}

int main(void)
{
	const char *s = "Don't  count twenty-one \xC3\x84pfel -- \xD0\x9C\xD0\xBE\xD1\x80\xD0\xB5!";
	static const char *const want[] = { "don't", "count", "twenty-one", "\xC3\xA4pfel", "\xD0\xBC\xD0\xBE\xD1\x80\xD0\xB5" };
	struct txt_buf b, line;
	unsigned char data[300];
	size_t pos = 0, i, n;
	uint32_t cp, back;
	int good = 1;
	char tmp[4];
	FILE *f;

	txt_buf_init(&b);
	txt_buf_init(&line);
	for (cp = 0; cp <= 0x10FFFF; cp++) {
		n = txt_encode(cp, tmp);
		if (cp >= 0xD800 && cp <= 0xDFFF)
			good &= n == 0;
		else
			good &= n > 0 && txt_decode(tmp, n, &back) == n && back == cp;
	}
	ok(good, "every code point comes back from UTF-8");
	ok(!txt_valid("\xC0\x80", 2) && !txt_valid("\xED\xA0\x80", 3) && !txt_valid("\xF5", 1) && !txt_valid("\xE2\x82", 2), "bad UTF-8 is refused");
	ok(txt_valid(s, strlen(s)), "good UTF-8 is taken");
	ok(txt_columns("a\xCC\x88" "b", 4) == 2, "marks take no column");
	ok(txt_fold('Q') == 'q' && txt_fold(0x178) == 0xFF && txt_fold(0x3A3) == 0x3C3 && txt_fold(0x416) == 0x436, "folding");
	for (good = 1, cp = 0; cp < 0x2000; cp++)
		good &= txt_fold(txt_fold(cp)) == txt_fold(cp);
	ok(good, "folding twice changes nothing");
	for (i = 0; txt_next_word(s, strlen(s), &pos, &b); i++)
		ok(i < 5 && strcmp(b.data, want[i]) == 0, b.data);
	ok(i == 5, "five words, no more");
	ok(txt_lexicon("the") == TXT_LEX_ARTICLE && txt_lexicon("between") == TXT_LEX_PREPOSITION, "lexicon: small words");
	ok(txt_lexicon("carries") == TXT_LEX_VERB && txt_lexicon("hoping") == TXT_LEX_VERB && txt_lexicon("washes") == TXT_LEX_VERB &&
	   txt_lexicon("carrying") == TXT_LEX_VERB && txt_lexicon("agreeing") == TXT_LEX_VERB, "lexicon: verb forms");
	ok(txt_lexicon("ninety-nine") == TXT_LEX_NUMBER && txt_lexicon("won't") == TXT_LEX_AUXILIARY, "lexicon: hyphens and quotes");
	ok(!txt_lexicon("") && !txt_lexicon("th") && !txt_lexicon("thex") && !txt_lexicon("\xC3\xA4"), "lexicon: strangers");
	ok(txt_is_stop_word("and") && !txt_is_stop_word("walk"), "stop words");
	ok(txt_crc32(0, "123456789", 9) == 0xCBF43926u, "CRC-32 of the usual digits");
	for (i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * i + 7 * i);
	for (good = 1, n = 0; n <= sizeof data; n++)
		good &= txt_crc32(0, data, n) == slow_crc(data, n) &&
			txt_crc32(txt_crc32(0, data, n / 3), data + n / 3, n - n / 3) == slow_crc(data, n);
	ok(good, "CRC-32 in pieces and of every length");
	ok(txt_hash("", 0) == 14695981039346656037u && txt_hash("a", 1) == 0xAF63DC4C8601EC8Cu, "FNV-1a");
	f = fopen("check.tmp", "w+");
	if (f) {
		fputs("one\n\nlast", f);
		rewind(f);
		good = txt_read_line(f, &line) && strcmp(line.data, "one") == 0;
		good &= txt_read_line(f, &line) && line.len == 0;
		good &= txt_read_line(f, &line) && strcmp(line.data, "last") == 0;
		good &= !txt_read_line(f, &line);
		fclose(f);
		remove("check.tmp");
		ok(good, "lines");
	} else {
		ok(0, "cannot write check.tmp");
	}
	txt_buf_free(&b);
	txt_buf_free(&line);
	printf("1..%d\n", number);
	if (failed)
		printf("# %d of %d tests failed\n", failed, number);
	return failed != 0;
}
