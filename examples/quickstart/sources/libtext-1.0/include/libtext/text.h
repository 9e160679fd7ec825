/* libtext: UTF-8 text in small pieces.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef LIBTEXT_TEXT_H
#define LIBTEXT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

const char *txt_version(void);

/* --- UTF-8 --------------------------------------------------------- */
#define TXT_BAD 0xFFFDu
/* Reads one code point; returns the bytes taken (0 only when n is 0). What
 * is not valid UTF-8 takes one byte and gives TXT_BAD. */
size_t txt_decode(const char *s, size_t n, uint32_t *cp);
/* Writes 1 to 4 bytes; returns how many, or 0 when cp is not a scalar. */
size_t txt_encode(uint32_t cp, char out[4]);
int txt_valid(const char *s, size_t n);
/* Columns on a terminal: code points less the combining marks. */
size_t txt_columns(const char *s, size_t n);

/* --- classes, for Latin, Greek and Cyrillic -------------------------- */
enum txt_class { TXT_OTHER, TXT_SPACE, TXT_PUNCT, TXT_DIGIT, TXT_LETTER, TXT_MARK };
enum txt_class txt_classify(uint32_t cp);
uint32_t txt_fold(uint32_t cp);

/* --- a string that grows -------------------------------------------- */
struct txt_buf {
	char *data; /* always ends in a NUL once something was added */
	size_t len, cap;
};
void txt_buf_init(struct txt_buf *b);
void txt_buf_free(struct txt_buf *b);
void txt_buf_clear(struct txt_buf *b);
void txt_buf_add(struct txt_buf *b, const char *s, size_t n);
void txt_buf_adds(struct txt_buf *b, const char *s);
void txt_buf_addc(struct txt_buf *b, uint32_t cp);
/* One line without its newline; 1, or 0 at the end of the file. */
int txt_read_line(FILE *f, struct txt_buf *line);

/* --- words ---------------------------------------------------------- */
/* Finds the next word at or after *pos, puts it folded into out and moves
 * *pos behind it. 1, or 0 when there is none. */
int txt_next_word(const char *s, size_t n, size_t *pos, struct txt_buf *out);

enum txt_lex {
	TXT_LEX_NONE, TXT_LEX_ARTICLE, TXT_LEX_PRONOUN, TXT_LEX_PREPOSITION,
	TXT_LEX_CONJUNCTION, TXT_LEX_AUXILIARY, TXT_LEX_ADVERB, TXT_LEX_VERB,
	TXT_LEX_NUMBER
};
/* What an English word in lower case is, as far as the lexicon knows. */
enum txt_lex txt_lexicon(const char *word);
/* Words that say little about what a text is about. */
int txt_is_stop_word(const char *word);

/* --- sums ----------------------------------------------------------- */
uint32_t txt_crc32(uint32_t crc, const void *data, size_t n);
uint64_t txt_hash(const void *data, size_t n);

#ifdef __cplusplus
}
#endif
#endif
