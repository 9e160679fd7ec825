/* Words out of running text.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "config.h"
#include "libtext/text.h"

static int inside(uint32_t cp)
{
	enum txt_class c = txt_classify(cp);

	return c == TXT_LETTER || c == TXT_DIGIT || c == TXT_MARK;
}

int txt_next_word(const char *s, size_t n, size_t *pos, struct txt_buf *out)
{
	uint32_t cp, next;
	size_t k;

	txt_buf_clear(out);
	while (*pos < n) {
		k = txt_decode(s + *pos, n - *pos, &cp);
		if (inside(cp) && txt_classify(cp) != TXT_MARK)
			break;
		*pos += k;
	}
	while (*pos < n) {
		k = txt_decode(s + *pos, n - *pos, &cp);
		if (inside(cp)) {
			txt_buf_addc(out, txt_fold(cp));
		} else if (cp == '\'' || cp == '-' || cp == 0x2019) {
			/* Inside a word only: don't, twenty-one. */
			if (!txt_decode(s + *pos + k, n - *pos - k, &next) || !inside(next))
				break;
			txt_buf_addc(out, cp == 0x2019 ? '\'' : cp);
		} else {
			break;
		}
		*pos += k;
	}
	return out->len > 0;
}

int txt_is_stop_word(const char *word)
{
	switch (txt_lexicon(word)) {
	case TXT_LEX_ARTICLE:
	case TXT_LEX_PRONOUN:
	case TXT_LEX_PREPOSITION:
	case TXT_LEX_CONJUNCTION:
	case TXT_LEX_AUXILIARY:
		return 1;
	default:
		return 0;
	}
}
