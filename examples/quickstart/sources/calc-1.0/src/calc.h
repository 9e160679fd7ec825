/* What the files of calc share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CALC_H
#define CALC_H
#include "config.h"
#include <libnum/num.h>
#include <libtext/text.h>
#include <setjmp.h>

#ifdef HAVE_NORETURN
#define NORETURN __attribute__((noreturn))
#else
#define NORETURN
#endif
#ifdef HAVE_FORMAT
#define LIKE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define LIKE_PRINTF(f, a)
#endif

enum token {
	T_END, T_NUMBER, T_NAME, T_ADD, T_SUB, T_MUL, T_DIV, T_MOD, T_POW, T_FACT,
	T_OPEN, T_CLOSE, T_COMMA, T_ASSIGN, T_EQ, T_NE, T_LT, T_LE, T_GT, T_GE
};

#define NAME_MAX_LEN 31
#define ARGS_MAX 8
#define DEPTH_MAX 500
#define BITS_MAX 2000000u /* no result may be larger */

struct calc {
	const char *line, *at;      /* the text and where the next token starts */
	const char *token_at;
	enum token token;
	struct num number;          /* of a T_NUMBER */
	char name[NAME_MAX_LEN + 1];/* of a T_NAME, folded */
	int depth;
	struct variable *variables;
	jmp_buf failed;
	char error[160];
	struct num *live[4 * DEPTH_MAX]; /* what to free when a line fails */
	int live_count;
};

void calc_init(struct calc *c);
void calc_free(struct calc *c);
/* Works out one line. 1: out is the value; 0: c->error says what is wrong;
 * -1: there was nothing but blanks and a comment. */
int calc_line(struct calc *c, const char *line, struct num *out);
void calc_fail(struct calc *c, const char *format, ...) NORETURN LIKE_PRINTF(2, 3);
void calc_next(struct calc *c);
void calc_call(struct calc *c, const char *name, struct num *args, int count, struct num *out);
void calc_check_size(struct calc *c, const struct num *a, double power);
void calc_list_functions(void);
struct num *variable(struct calc *c, const char *name, int make);
#endif
