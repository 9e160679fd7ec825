/* The letters.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "banner.h"

static const struct {
	char letter;
	const char *row[ROWS];
} font[] = {
	{ 'f', { "#####", "#    ", "#### ", "#    ", "#    " } },
	{ 'l', { "#    ", "#    ", "#    ", "#    ", "#####" } },
	{ 's', { " ####", "#    ", " ### ", "    #", "#### " } },
	{ 'o', { " ### ", "#   #", "#   #", "#   #", " ### " } },
	{ 'k', { "#   #", "#  # ", "###  ", "#  # ", "#   #" } },
};

const char *font_row(uint32_t cp, int row)
{
	size_t i;

	for (i = 0; i < sizeof font / sizeof *font; i++)
		if ((uint32_t)font[i].letter == txt_fold(cp))
			return font[i].row[row];
	return "     ";
}
