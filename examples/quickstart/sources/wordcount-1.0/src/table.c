/* A hash table with open addressing.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wordcount.h"
#include <stdlib.h>
#include <string.h>

static struct entry *make_slots(size_t n)
{
	struct entry *e = calloc(n, sizeof *e);

	if (!e) {
		fputs("wordcount: out of memory\n", stderr);
		exit(1);
	}
	return e;
}

static struct entry *probe(const struct table *t, uint64_t hash, const char *word)
{
	size_t i = (size_t)hash & (t->size - 1);

	while (t->slot[i].word && (t->slot[i].hash != hash || strcmp(t->slot[i].word, word) != 0))
		i = (i + 1) & (t->size - 1);
	return &t->slot[i];
}

void table_init(struct table *t)
{
	t->size = 256;
	t->used = 0;
	t->slot = make_slots(t->size);
}

void table_free(struct table *t)
{
	size_t i;

	for (i = 0; i < t->size; i++)
		free(t->slot[i].word);
	free(t->slot);
	t->slot = NULL;
	t->size = t->used = 0;
}

static void grow(struct table *t)
{
	struct entry *old = t->slot;
	size_t i, n = t->size;

	t->size *= 2;
	t->slot = make_slots(t->size);
	for (i = 0; i < n; i++)
		if (old[i].word)
			*probe(t, old[i].hash, old[i].word) = old[i];
	free(old);
}

void table_add(struct table *t, const char *word, unsigned long times)
{
	size_t n = strlen(word);
	uint64_t hash = txt_hash(word, n);
	struct entry *e;

	if (t->used * 4 >= t->size * 3)
		grow(t);
	e = probe(t, hash, word);
	if (!e->word) {
		e->word = malloc(n + 1);
		if (!e->word) {
			fputs("wordcount: out of memory\n", stderr);
			exit(1);
		}
		memcpy(e->word, word, n + 1);
		e->hash = hash;
		e->lex = txt_lexicon(word);
		t->used++;
	}
	e->count += times;
}

const struct entry *table_find(const struct table *t, const char *word)
{
	const struct entry *e = probe(t, txt_hash(word, strlen(word)), word);

	return e->word ? e : NULL;
}

static int order(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->word, y->word);
}

const struct entry **table_sorted(const struct table *t)
{
	const struct entry **list = malloc((t->used + 1) * sizeof *list);
	size_t i, n = 0;

	if (!list) {
		fputs("wordcount: out of memory\n", stderr);
		exit(1);
	}
	for (i = 0; i < t->size; i++)
		if (t->slot[i].word)
			list[n++] = &t->slot[i];
	qsort(list, n, sizeof *list, order);
	list[n] = NULL;
	return list;
}
