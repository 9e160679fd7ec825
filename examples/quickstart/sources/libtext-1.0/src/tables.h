/* The tables gen/mktables writes.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TABLES_H
#define TABLES_H
#include <stdint.h>
#define TXT_TABLE_SIZE 0x530
extern const uint8_t txt_class_table[TXT_TABLE_SIZE];
extern const uint16_t txt_fold_table[TXT_TABLE_SIZE];
extern const uint32_t txt_crc_table[8][256];
#endif
