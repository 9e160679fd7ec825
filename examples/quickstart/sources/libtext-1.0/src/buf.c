/* A string that grows, and reading lines into it.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "config.h"
#include "libtext/text.h"
#include <stdlib.h>
#include <string.h>

static void reserve(struct txt_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 32;
	char *p;

	if (more < b->cap - b->len && b->cap)
		return;
	while (cap - b->len <= more) {
		if (cap > (size_t)-1 / 2)
			abort();
		cap *= 2;
	}
#ifdef HAVE_REALLOCARRAY
	p = reallocarray(b->data, cap, 1);
#else
	p = realloc(b->data, cap);
#endif
	if (!p)
		abort();
	b->data = p;
	b->cap = cap;
}

void txt_buf_init(struct txt_buf *b)
{
	b->data = NULL;
	b->len = b->cap = 0;
}

void txt_buf_free(struct txt_buf *b)
{
	free(b->data);
	txt_buf_init(b);
}

void txt_buf_clear(struct txt_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void txt_buf_add(struct txt_buf *b, const char *s, size_t n)
{
	reserve(b, n);
	if (n)
		memcpy(b->data + b->len, s, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void txt_buf_adds(struct txt_buf *b, const char *s)
{
	txt_buf_add(b, s, strlen(s));
}

void txt_buf_addc(struct txt_buf *b, uint32_t cp)
{
	char tmp[4];
	size_t n = txt_encode(cp, tmp);

	if (n == 0)
		n = txt_encode(TXT_BAD, tmp);
	txt_buf_add(b, tmp, n);
}

int txt_read_line(FILE *f, struct txt_buf *line)
{
#ifdef HAVE_GETLINE
	ssize_t n = getline(&line->data, &line->cap, f);

	line->len = 0;
	if (n < 0) {
		if (line->data && line->cap)
			line->data[0] = '\0';
		return 0;
	}
	line->len = (size_t)n;
	if (line->len && line->data[line->len - 1] == '\n')
		line->data[--line->len] = '\0';
	return 1;
#else
	int c, any = 0;
	char ch;

	txt_buf_clear(line);
	while ((c = getc(f)) != EOF) {
		any = 1;
		if (c == '\n')
			break;
		ch = (char)c;
		txt_buf_add(line, &ch, 1);
	}
	if (any && !line->data)
		txt_buf_add(line, "", 0);
	return any;
#endif
}
