/* UTF-8 in and out.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "config.h"
#include "libtext/text.h"
#include "tables.h"

#ifdef HAVE_BUILTIN_EXPECT
#define LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define LIKELY(x) (x)
#endif

const char *txt_version(void)
{
	return VERSION;
}

size_t txt_decode(const char *s, size_t n, uint32_t *cp)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	size_t want, i;
	uint32_t v;

	if (n == 0)
		return 0;
	if (LIKELY(p[0] < 0x80)) {
		*cp = p[0];
		return 1;
	}
	*cp = TXT_BAD;
	if (p[0] >= 0xC2 && p[0] <= 0xDF) {
		want = 2;
		v = p[0] & 0x1Fu;
	} else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
		want = 3;
		v = p[0] & 0x0Fu;
	} else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		want = 4;
		v = p[0] & 0x07u;
	} else {
		return 1;
	}
	if (n < want)
		return 1;
	for (i = 1; i < want; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 1;
		v = v << 6 | (p[i] & 0x3Fu);
	}
	if (v < least[want] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
		return 1;
	*cp = v;
	return want;
}

size_t txt_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp >= 0xD800 && cp <= 0xDFFF)
		return 0;
	if (cp < 0x10000) {
		out[0] = (char)(0xE0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (char)(0x80 | (cp & 0x3F));
		return 3;
	}
	if (cp > 0x10FFFF)
		return 0;
	out[0] = (char)(0xF0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (char)(0x80 | (cp & 0x3F));
	return 4;
}

int txt_valid(const char *s, size_t n)
{
	uint32_t cp;
	size_t k;

	while (n > 0) {
		k = txt_decode(s, n, &cp);
		if (k == 1 && cp == TXT_BAD)
			return 0;
		s += k;
		n -= k;
	}
	return 1;
}

size_t txt_columns(const char *s, size_t n)
{
	size_t columns = 0, k;
	uint32_t cp;

	while (n > 0) {
		k = txt_decode(s, n, &cp);
		if (txt_classify(cp) != TXT_MARK)
			columns++;
		s += k;
		n -= k;
	}
	return columns;
}

enum txt_class txt_classify(uint32_t cp)
{
	if (cp < TXT_TABLE_SIZE)
		return (enum txt_class)txt_class_table[cp];
	if ((cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x3000)
		return TXT_SPACE;
	if (cp >= 0x2010 && cp <= 0x205E)
		return TXT_PUNCT;
	if (cp >= 0x1E00 && cp <= 0x1FFF)
		return TXT_LETTER;
	return TXT_OTHER;
}

uint32_t txt_fold(uint32_t cp)
{
	if (cp < TXT_TABLE_SIZE)
		return txt_fold_table[cp];
	if (cp >= 0x1E00 && cp <= 0x1E95)
		return cp | 1;
	return cp;
}
