/* Writes src/tables.c: character classes, case folding, CRC-32.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "libtext/text.h"
#include "../src/tables.h"

static int between(unsigned c, unsigned a, unsigned b)
{
	return c >= a && c <= b;
}

static unsigned class_of(unsigned c)
{
	if (between(c, 9, 13) || c == ' ' || c == 0x85 || c == 0xA0)
		return TXT_SPACE;
	if (c < 0x20 || between(c, 0x7F, 0x9F))
		return TXT_OTHER;
	if (between(c, '0', '9'))
		return TXT_DIGIT;
	if (between(c, 'A', 'Z') || between(c, 'a', 'z') || c == 0xAA || c == 0xB5 || c == 0xBA)
		return TXT_LETTER;
	if (between(c, 0xC0, 0x2C1))
		return c == 0xD7 || c == 0xF7 ? TXT_PUNCT : TXT_LETTER;
	if (between(c, 0x300, 0x36F) || between(c, 0x483, 0x489))
		return TXT_MARK;
	if (between(c, 0x370, 0x52F))
		return c == 0x375 || c == 0x37E || c == 0x384 || c == 0x385 || c == 0x387 || c == 0x482 ? TXT_PUNCT : TXT_LETTER;
	return TXT_PUNCT;
}

static unsigned fold_of(unsigned c)
{
	int even = c % 2 == 0;

	if (between(c, 'A', 'Z') || (between(c, 0xC0, 0xDE) && c != 0xD7))
		return c + 32;
	switch (c) {
	case 0x130: return 'i';
	case 0x178: return 0xFF;
	case 0x17F: return 's';
	case 0x386: return 0x3AC;
	case 0x38C: return 0x3CC;
	case 0x3C2: return 0x3C3;
	case 0x4C0: return 0x4CF;
	}
	if (between(c, 0x100, 0x137) || between(c, 0x14A, 0x177))
		return even ? c + 1 : c;
	if (between(c, 0x139, 0x148) || between(c, 0x179, 0x17E))
		return even ? c : c + 1;
	if (between(c, 0x388, 0x38A))
		return c + 37;
	if (between(c, 0x38E, 0x38F))
		return c + 63;
	if (between(c, 0x391, 0x3AB) && c != 0x3A2)
		return c + 32;
	if (between(c, 0x400, 0x40F))
		return c + 80;
	if (between(c, 0x410, 0x42F))
		return c + 32;
	if (between(c, 0x460, 0x481) || between(c, 0x48A, 0x4BF) || between(c, 0x4D0, 0x52F))
		return even ? c + 1 : c;
	if (between(c, 0x4C1, 0x4CE))
		return even ? c : c + 1;
	return c;
}

int main(void)
{
	static uint32_t crc[8][256];
	unsigned i, k;

	puts("/* Made by gen/mktables; do not edit. */\n#include \"tables.h\"\n");
	puts("const uint8_t txt_class_table[TXT_TABLE_SIZE] = {");
	for (i = 0; i < TXT_TABLE_SIZE; i++)
		printf("%u,%s", class_of(i), i % 32 == 31 ? "\n" : " ");
	puts("};\nconst uint16_t txt_fold_table[TXT_TABLE_SIZE] = {");
	for (i = 0; i < TXT_TABLE_SIZE; i++)
		printf("0x%03X,%s", fold_of(i), i % 12 == 11 ? "\n" : " ");
	for (i = 0; i < 256; i++) {
		uint32_t c = i;

		for (k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1;
		crc[0][i] = c;
	}
	for (k = 1; k < 8; k++)
		for (i = 0; i < 256; i++)
			crc[k][i] = crc[0][crc[k - 1][i] & 255] ^ crc[k - 1][i] >> 8;
	puts("};\nconst uint32_t txt_crc_table[8][256] = {");
	for (k = 0; k < 8; k++) {
		puts("{");
		for (i = 0; i < 256; i++)
			printf("0x%08lXu,%s", (unsigned long)crc[k][i], i % 8 == 7 ? "\n" : " ");
		puts("},");
	}
	puts("};");
	return ferror(stdout) || fflush(stdout);
}
