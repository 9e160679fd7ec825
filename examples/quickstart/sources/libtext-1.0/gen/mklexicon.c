/* Reads words.txt and writes src/lexicon.c: the words as a tree of switches,
 * so that looking one up touches no memory but the word itself.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
	struct node *child[128];
	const char *class;
};

static struct node *root;
static unsigned words;

static struct node *new_node(void)
{
	struct node *n = calloc(1, sizeof *n);

	if (!n)
		abort();
	return n;
}

static void add(const char *word, const char *class)
{
	struct node **n = &root;

	for (; ; word++) {
		if (!*n)
			*n = new_node();
		if (!*word)
			break;
		n = &(*n)->child[*word & 127];
	}
	if (!(*n)->class) { /* the class named first wins */
		(*n)->class = class;
		words++;
	}
}

/* walk: walks walked walking; hope: hopes hoped hoping; carry: carries ... */
static void add_verb(const char *verb, const char *class)
{
	char w[64], stem[60];
	size_t n = strlen(verb);
	const char *last = verb + n - 1;
	int y = *last == 'y' && !strchr("aeiou", last[-1]);
	int e = *last == 'e';
	int hiss = strchr("sxzo", *last) || (*last == 'h' && strchr("cs", last[-1]));

	snprintf(stem, sizeof stem, "%.*s", (int)(n - (y || e)), verb);
	add(verb, class);
	snprintf(w, sizeof w, y ? "%sies" : e ? "%ses" : hiss ? "%ses" : "%ss", stem);
	add(w, class);
	snprintf(w, sizeof w, y ? "%sied" : "%sed", stem);
	add(w, class);
	snprintf(w, sizeof w, "%sing", y || (e && last[-1] == 'e') ? verb : stem);
	add(w, class);
}

static void add_numbers(const char *class)
{
	static const char *const one[] = { "one", "two", "three", "four", "five", "six", "seven", "eight", "nine" };
	static const char *const teen[] = { "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen" };
	static const char *const ten[] = { "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety" };
	char w[64];
	int i, k;

	add("zero", class);
	for (i = 0; i < 9; i++)
		add(one[i], class);
	for (i = 0; i < 10; i++)
		add(teen[i], class);
	for (k = 0; k < 8; k++) {
		add(ten[k], class);
		for (i = 0; i < 9; i++) {
			snprintf(w, sizeof w, "%s-%s", ten[k], one[i]);
			add(w, class);
		}
	}
	add("hundred", class);
	add("thousand", class);
	add("million", class);
}

static void emit(const struct node *n, int depth)
{
	int c;

	printf("%*sswitch (*p++) {\n", depth, "");
	if (n->class)
		printf("%*scase 0: return TXT_LEX_%s;\n", depth, "", n->class);
	for (c = 1; c < 128; c++) {
		if (!n->child[c])
			continue;
		printf("%*scase '%s%c':\n", depth, "", c == '\'' ? "\\" : "", c);
		emit(n->child[c], depth + 1);
		printf("%*sbreak;\n", depth + 1, "");
	}
	printf("%*s}\n", depth, "");
}

int main(int argc, char **argv)
{
	static char class[64][16];
	char line[1024], *word, *colon;
	int classes = 0, c;
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!f) {
		fprintf(stderr, "usage: mklexicon words.txt\n");
		return 1;
	}
	while (fgets(line, sizeof line, f)) {
		colon = strchr(line, ':');
		if (line[0] == '#')
			continue;
		if (!colon || !strchr(line, '\n')) {
			fprintf(stderr, "mklexicon: no class, or too long a line: %.40s\n", line);
			return 1;
		}
		*colon = '\0';
		if (classes == 64 || strlen(line) > 15)
			return 1;
		strcpy(class[classes], line);
		for (word = strtok(colon + 1, " \n"); word; word = strtok(NULL, " \n")) {
			if (strcmp(word, "@all") == 0)
				add_numbers(class[classes]);
			else if (strcmp(line, "VERB") == 0)
				add_verb(word, class[classes]);
			else
				add(word, class[classes]);
		}
		classes++;
	}
	fclose(f);
	if (!root)
		return 1;
	printf("/* Made by gen/mklexicon out of %u words; do not edit. */\n#include \"libtext/text.h\"\n\n", words);
	for (c = 1; c < 128; c++) {
		if (!root->child[c])
			continue;
		printf("static enum txt_lex on_%02x(const char *p)\n{\n", (unsigned)c);
		emit(root->child[c], 1);
		puts(" return TXT_LEX_NONE;\n}\n");
	}
	puts("enum txt_lex txt_lexicon(const char *p)\n{\n switch (*p++) {");
	for (c = 1; c < 128; c++)
		if (root->child[c])
			printf(" case '%c': return on_%02x(p);\n", c, (unsigned)c);
	puts(" }\n return TXT_LEX_NONE;\n}");
	return ferror(stdout) || fflush(stdout);
}
