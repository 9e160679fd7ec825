/* What the files of report share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H
#include "config.h"
#include <stdio.h>

/* --- helper.c: running the other programs --- */
/* Where they are: a folder, or NULL to look along PATH. */
void helper_folder(const char *given);
/* Runs a program and returns all it wrote, or NULL after saying why not. */
char *helper_run(const char *program, const char *const *args);
/* What calc makes of an expression; ends the program when it cannot. */
unsigned long helper_calc(const char *format, unsigned long a, unsigned long b);

/* --- data.c: the lines wordcount -t writes --- */
struct item {
	const char *kind, *name;
	unsigned long value;
};
struct data {
	char *text;
	struct item *item;
	size_t count;
};
int data_parse(struct data *d, char *text);
void data_free(struct data *d);
unsigned long data_get(const struct data *d, const char *kind, const char *name);
unsigned long data_sum(const struct data *d, const char *kind);

/* --- layout.c: rules, columns, bars, paragraphs --- */
#define WIDTH_MIN 40
#define WIDTH_MAX 200
void layout_width(int columns);
void layout_title(FILE *f, const char *title);
void layout_heading(FILE *f, const char *heading);
void layout_row(FILE *f, const char *name, unsigned long value);
void layout_bar(FILE *f, const char *name, unsigned long value, unsigned long per_mille, unsigned long length);
int layout_bar_room(void);
void layout_paragraph(FILE *f, const char *text);
#endif
