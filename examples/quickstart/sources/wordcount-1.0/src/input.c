/* Reading: mapped where that works, read into memory where not.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wordcount.h"
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_MMAP
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

static int slurp(struct input *in, FILE *f)
{
	size_t cap = 0, n;
	char *data = NULL, *more;

	in->len = 0;
	do {
		if (cap - in->len < 4096) {
			cap = cap ? cap * 2 : 65536;
			more = realloc(data, cap);
			if (!more) {
				free(data);
				return 0;
			}
			data = more;
		}
		n = fread(data + in->len, 1, cap - in->len, f);
		in->len += n;
	} while (n > 0);
	in->data = data;
	return !ferror(f);
}

int input_open(struct input *in, const char *path)
{
	FILE *f;
	int good;

	memset(in, 0, sizeof *in);
	if (strcmp(path, "-") == 0)
		return slurp(in, stdin);
#ifdef HAVE_MMAP
	struct stat st;
	int fd = open(path, O_RDONLY);
	void *p;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
#ifdef HAVE_MADVISE
			madvise(p, (size_t)st.st_size, MADV_SEQUENTIAL);
#endif
			close(fd);
			in->data = p;
			in->len = (size_t)st.st_size;
			in->mapped = 1;
			return 1;
		}
	}
	close(fd);
#endif
	f = fopen(path, "rb");
	if (!f)
		return 0;
	good = slurp(in, f);
	fclose(f);
	return good;
}

void input_close(struct input *in)
{
#ifdef HAVE_MMAP
	if (in->mapped) {
		munmap((void *)in->data, in->len);
		return;
	}
#endif
	free((void *)in->data);
}
