/* What the files of banner share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BANNER_H
#define BANNER_H
#include <libtext/text.h>

#define ROWS 5
/* One row of a letter, as text; blanks for what the font does not have. */
const char *font_row(uint32_t cp, int row);
/* Draws a line of text in large letters. */
void render_line(FILE *f, const char *text);
#endif
