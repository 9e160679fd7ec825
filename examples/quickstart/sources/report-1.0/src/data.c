/* Kind, name and number, parted by tabs.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "report.h"
#include <stdlib.h>
#include <string.h>

int data_parse(struct data *d, char *text)
{
	size_t lines = 0;
	char *p, *name, *value, *end;

	for (p = text; *p; p++)
		lines += *p == '\n';
	d->text = text;
	d->count = 0;
	d->item = calloc(lines + 1, sizeof *d->item);
	if (!d->item)
		return 0;
	for (p = text; *p; p = end + 1) {
		end = strchr(p, '\n');
		if (!end)
			return 0;
		*end = '\0';
		name = strchr(p, '\t');
		value = name ? strchr(name + 1, '\t') : NULL;
		if (!value)
			return 0;
		*name++ = *value++ = '\0';
		d->item[d->count].kind = p;
		d->item[d->count].name = name;
		d->item[d->count++].value = strtoul(value, NULL, 10);
	}
	return 1;
}

void data_free(struct data *d)
{
	free(d->text);
	free(d->item);
	memset(d, 0, sizeof *d);
}

unsigned long data_get(const struct data *d, const char *kind, const char *name)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		if (strcmp(d->item[i].kind, kind) == 0 && strcmp(d->item[i].name, name) == 0)
			return d->item[i].value;
	return 0;
}

unsigned long data_sum(const struct data *d, const char *kind)
{
	unsigned long sum = 0;
	size_t i;

	for (i = 0; i < d->count; i++)
		if (strcmp(d->item[i].kind, kind) == 0)
			sum += d->item[i].value;
	return sum;
}
