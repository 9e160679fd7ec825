/* Tokens.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "calc.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void number(struct calc *c)
{
	struct txt_buf digits;
	int base = 10, good;

	txt_buf_init(&digits);
	if (c->at[0] == '0' && strchr("xXbBoO", c->at[1]) && c->at[1]) {
		base = c->at[1] == 'x' || c->at[1] == 'X' ? 16 : c->at[1] == 'b' || c->at[1] == 'B' ? 2 : 8;
		c->at += 2;
	}
	/* 1_000_000 is easier to read than 1000000. */
	for (; isalnum((unsigned char)*c->at) || *c->at == '_'; c->at++)
		if (*c->at != '_')
			txt_buf_add(&digits, c->at, 1);
	good = digits.len > 0 && num_set_str(&c->number, digits.data, base);
	txt_buf_free(&digits);
	if (!good)
		calc_fail(c, "not a number in base %d", base);
	c->token = T_NUMBER;
}

static void name(struct calc *c)
{
	size_t n = 0, k, i;
	uint32_t cp;
	char tmp[4];

	for (;;) {
		k = txt_decode(c->at, strlen(c->at), &cp);
		if (!k || (txt_classify(cp) != TXT_LETTER && txt_classify(cp) != TXT_DIGIT && cp != '_'))
			break;
		c->at += k;
		k = txt_encode(txt_fold(cp), tmp);
		if (n + k > NAME_MAX_LEN)
			calc_fail(c, "too long a name");
		for (i = 0; i < k; i++)
			c->name[n++] = tmp[i];
	}
	c->name[n] = '\0';
	c->token = T_NAME;
}

static int follows(struct calc *c, char want)
{
	if (c->at[0] != want)
		return 0;
	c->at++;
	return 1;
}

void calc_next(struct calc *c)
{
	uint32_t cp;
	size_t k;

	while (*c->at == ' ' || *c->at == '\t' || *c->at == '\r')
		c->at++;
	c->token_at = c->at;
	if (!*c->at || *c->at == '#') {
		c->token = T_END;
		return;
	}
	if (isdigit((unsigned char)*c->at)) {
		number(c);
		return;
	}
	k = txt_decode(c->at, strlen(c->at), &cp);
	if (txt_classify(cp) == TXT_LETTER || cp == '_') {
		name(c);
		return;
	}
	c->at += k;
	switch (cp) {
	case '+': c->token = T_ADD; break;
	case '-': c->token = T_SUB; break;
	case 0xD7: /* the times sign */
	case '*': c->token = follows(c, '*') ? T_POW : T_MUL; break;
	case 0xF7: /* the division sign */
	case '/': c->token = T_DIV; break;
	case '%': c->token = T_MOD; break;
	case '^': c->token = T_POW; break;
	case '(': c->token = T_OPEN; break;
	case ')': c->token = T_CLOSE; break;
	case ',': c->token = T_COMMA; break;
	case '=': c->token = follows(c, '=') ? T_EQ : T_ASSIGN; break;
	case '<': c->token = follows(c, '=') ? T_LE : T_LT; break;
	case '>': c->token = follows(c, '=') ? T_GE : T_GT; break;
	case '!': c->token = follows(c, '=') ? T_NE : T_FACT; break;
	default: calc_fail(c, "what is '%.*s'?", (int)k, c->token_at);
	}
}
