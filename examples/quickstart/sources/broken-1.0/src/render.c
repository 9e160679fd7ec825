/* Drawing. The Makefile forgot this file: that is what is broken.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "banner.h"
#include <string.h>

void render_line(FILE *f, const char *text)
{
	size_t at, k, n = strlen(text);
	uint32_t cp;
	int row;

	for (row = 0; row < ROWS; row++) {
		for (at = 0; at < n; at += k) {
			k = txt_decode(text + at, n - at, &cp);
			fprintf(f, "%s%s", at ? " " : "", font_row(cp, row));
		}
		putc('\n', f);
	}
}
