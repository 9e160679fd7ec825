/* banner: writes its arguments in large letters.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "config.h"
#include "banner.h"
#include <string.h>

int main(int argc, char **argv)
{
	int i;

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("banner %s (libtext %s)\n", VERSION, txt_version());
		return 0;
	}
	for (i = 1; i < argc; i++)
		render_line(stdout, argv[i]);
	return ferror(stdout) || fflush(stdout);
}
