/* Working a line out while reading it.
 *
 *   line    = name "=" line | compare
 *   compare = sum [("==" "!=" "<" "<=" ">" ">=") sum]
 *   sum     = product {("+" "-") product}
 *   product = sign {("*" "/" "%") sign}
 *   sign    = ["+" "-"] power
 *   power   = post ["^" sign]
 *   post    = atom {"!"}
 *   atom    = number | name | name "(" args ")" | "(" compare ")"
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "calc.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct variable {
	struct variable *next;
	struct num value;
	char name[NAME_MAX_LEN + 1];
};

void calc_init(struct calc *c)
{
	memset(c, 0, sizeof *c);
	num_init(&c->number);
}

void calc_free(struct calc *c)
{
	struct variable *v, *next;

	for (v = c->variables; v; v = next) {
		next = v->next;
		num_free(&v->value);
		free(v);
	}
	num_free(&c->number);
	c->variables = NULL;
}

static void release(struct calc *c, int count)
{
	while (count-- > 0)
		num_free(c->live[--c->live_count]);
}

void calc_fail(struct calc *c, const char *format, ...)
{
	size_t n;
	va_list ap;

	va_start(ap, format);
	vsnprintf(c->error, sizeof c->error, format, ap);
	va_end(ap);
	n = strlen(c->error);
	snprintf(c->error + n, sizeof c->error - n, " (column %lu)",
		 (unsigned long)txt_columns(c->line, (size_t)(c->token_at - c->line)) + 1);
	release(c, c->live_count); /* now, while the frames they live in are there */
	longjmp(c->failed, 1);
}

/* Numbers that a failing line would leave behind are kept in a list. */
static void hold(struct calc *c, struct num *a)
{
	num_init(a);
	if (c->live_count == (int)(sizeof c->live / sizeof *c->live))
		calc_fail(c, "too deeply nested");
	c->live[c->live_count++] = a;
}

struct num *variable(struct calc *c, const char *name, int make)
{
	struct variable *v;

	for (v = c->variables; v; v = v->next)
		if (strcmp(v->name, name) == 0)
			return &v->value;
	if (!make)
		return NULL;
	v = calloc(1, sizeof *v);
	if (!v)
		abort();
	strcpy(v->name, name);
	v->next = c->variables;
	c->variables = v;
	return &v->value;
}

void calc_check_size(struct calc *c, const struct num *a, double power)
{
	if ((double)num_bits(a) * power > BITS_MAX)
		calc_fail(c, "the result would be too large");
}

static void compare(struct calc *c, struct num *out);
static void sign(struct calc *c, struct num *out);

static void expect(struct calc *c, enum token t, const char *what)
{
	if (c->token != t)
		calc_fail(c, "%s is missing", what);
	calc_next(c);
}

static void atom(struct calc *c, struct num *out)
{
	struct num args[ARGS_MAX], *value;
	char name[NAME_MAX_LEN + 1];
	int count = 0;

	if (++c->depth > DEPTH_MAX)
		calc_fail(c, "too deeply nested");
	switch (c->token) {
	case T_NUMBER:
		num_set(out, &c->number);
		calc_next(c);
		break;
	case T_OPEN:
		calc_next(c);
		compare(c, out);
		expect(c, T_CLOSE, "a closing bracket");
		break;
	case T_NAME:
		strcpy(name, c->name);
		calc_next(c);
		if (c->token != T_OPEN) {
			value = variable(c, name, 0);
			if (!value)
				calc_fail(c, "'%s' has no value", name);
			num_set(out, value);
			break;
		}
		calc_next(c);
		while (c->token != T_CLOSE) {
			if (count == ARGS_MAX)
				calc_fail(c, "more than %d arguments", ARGS_MAX);
			hold(c, &args[count]);
			compare(c, &args[count++]);
			if (c->token != T_COMMA)
				break;
			calc_next(c);
		}
		expect(c, T_CLOSE, "a closing bracket");
		calc_call(c, name, args, count, out);
		release(c, count);
		break;
	default:
		calc_fail(c, "a number is missing");
	}
	c->depth--;
}

static void post(struct calc *c, struct num *out)
{
	long n;

	atom(c, out);
	while (c->token == T_FACT) {
		if (!num_get_int(out, &n) || n < 0 || n > 100000)
			calc_fail(c, "factorials are for 0 to 100000");
		num_factorial(out, (unsigned long)n);
		calc_next(c);
	}
}

static void power(struct calc *c, struct num *out)
{
	struct num e;
	long n;

	post(c, out);
	if (c->token != T_POW)
		return;
	calc_next(c);
	hold(c, &e);
	sign(c, &e);
	if (!num_get_int(&e, &n) || n < 0)
		calc_fail(c, "the exponent has to be a small number, not below 0");
	calc_check_size(c, out, (double)n);
	num_pow(out, out, (unsigned long)n);
	release(c, 1);
}

static void sign(struct calc *c, struct num *out)
{
	int neg = 0;

	for (; c->token == T_ADD || c->token == T_SUB; calc_next(c))
		neg ^= c->token == T_SUB;
	power(c, out);
	if (neg && num_sign(out))
		out->neg = !out->neg;
}

static void product(struct calc *c, struct num *out)
{
	enum token t;
	struct num right;

	sign(c, out);
	while ((t = c->token) == T_MUL || t == T_DIV || t == T_MOD) {
		calc_next(c);
		hold(c, &right);
		sign(c, &right);
		if (t != T_MUL && !num_sign(&right))
			calc_fail(c, "division by zero");
		if (t == T_MUL)
			num_mul(out, out, &right);
		else if (t == T_DIV)
			num_divmod(out, NULL, out, &right);
		else
			num_divmod(NULL, out, out, &right);
		calc_check_size(c, out, 1);
		release(c, 1);
	}
}

static void sum(struct calc *c, struct num *out)
{
	enum token t;
	struct num right;

	product(c, out);
	while ((t = c->token) == T_ADD || t == T_SUB) {
		calc_next(c);
		hold(c, &right);
		product(c, &right);
		if (t == T_ADD)
			num_add(out, out, &right);
		else
			num_sub(out, out, &right);
		release(c, 1);
	}
}

static void compare(struct calc *c, struct num *out)
{
	enum token t;
	struct num right;
	int order, holds = 0;

	sum(c, out);
	t = c->token;
	if (t < T_EQ)
		return;
	calc_next(c);
	hold(c, &right);
	sum(c, &right);
	order = num_cmp(out, &right);
	release(c, 1);
	switch (t) {
	case T_EQ: holds = order == 0; break;
	case T_NE: holds = order != 0; break;
	case T_LT: holds = order < 0; break;
	case T_LE: holds = order <= 0; break;
	case T_GT: holds = order > 0; break;
	default: holds = order >= 0; break;
	}
	num_set_int(out, holds);
}

static void whole(struct calc *c, struct num *out)
{
	char name[NAME_MAX_LEN + 1];
	const char *start = c->token_at;

	if (c->token == T_NAME) {
		strcpy(name, c->name);
		calc_next(c);
		if (c->token == T_ASSIGN) {
			calc_next(c);
			whole(c, out);
			num_set(variable(c, name, 1), out);
			return;
		}
		c->at = start;
		calc_next(c);
	}
	compare(c, out);
	if (c->token != T_END)
		calc_fail(c, "the line should end here");
}

int calc_line(struct calc *c, const char *line, struct num *out)
{
	c->line = c->at = c->token_at = line;
	c->depth = 0;
	c->live_count = 0;
	if (setjmp(c->failed))
		return 0;
	calc_next(c);
	if (c->token == T_END)
		return -1;
	whole(c, out);
	return 1;
}
