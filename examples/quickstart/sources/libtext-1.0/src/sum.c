/* CRC-32 (eight bytes at a time) and the FNV-1a hash.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "config.h"
#include "libtext/text.h"
#include "tables.h"
#include <string.h>

#if SIZEOF_UINT32_T != 4
#error "uint32_t has to have four bytes"
#endif

static uint32_t load(const unsigned char *p)
{
#ifdef WORDS_BIGENDIAN
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
#else
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
#endif
}

uint32_t txt_crc32(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint32_t a, b;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		a = load(p) ^ crc;
		b = load(p + 4);
		crc = txt_crc_table[7][a & 255] ^ txt_crc_table[6][a >> 8 & 255] ^
		      txt_crc_table[5][a >> 16 & 255] ^ txt_crc_table[4][a >> 24] ^
		      txt_crc_table[3][b & 255] ^ txt_crc_table[2][b >> 8 & 255] ^
		      txt_crc_table[1][b >> 16 & 255] ^ txt_crc_table[0][b >> 24];
	}
	while (n-- > 0)
		crc = txt_crc_table[0][(crc ^ *p++) & 255] ^ crc >> 8;
	return ~crc;
}

uint64_t txt_hash(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = 14695981039346656037u;

	while (n-- > 0)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}
