import { expect, test } from "vitest";
import { formatAge, formatByteRate, formatBytes, formatDuration, formatPercent, formatRatio } from "../src/format";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.00 KiB"],
  [1024 * 1024 - 1, "1.00 MiB"],
  [45.6 * 1024 ** 2, "45.6 MiB"],
  [476.2 * 1024 ** 2, "476 MiB"],
  [1.5 * 1024 ** 3, "1.50 GiB"],
  [2 ** 60, "1024 PiB"],
  [0.4, "0 B"],
  [-5, "0 B"],
])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0, "0.0 s"],
  [9.94, "9.9 s"],
  [9.96, "10 s"],
  [59.6, "1m 00s"],
  [125, "2m 05s"],
  [3599.7, "1h 00m"],
  [3720, "1h 02m"],
  [90_000, "1d 1h"],
  [-1, "0.0 s"],
])("%d seconds are %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

test.each([
  [0, "0 %"],
  [0.2, "<1 %"],
  [42.4, "42 %"],
  [99.7, "99 %"],
  [100, "100 %"],
])("%d percent is %s", (percent, text) => expect(formatPercent(percent)).toBe(text));

test("what was not measured is a dash and never a zero", () => {
  for (const format of [formatBytes, formatByteRate, formatDuration, formatPercent, formatRatio]) {
    expect([null, undefined, Number.NaN].map((value) => format(value))).toEqual(["–", "–", "–"]);
  }
});

test.each([
  [1_000_500, 1_000_000, "now"],
  [1_000_000, 1_042_900, "42 s ago"],
  [1_000_000, 1_185_000, "3m 05s ago"],
  [2_000_000, 1_000_000, "now"],
])("%d seen from %d is %s", (since, now, text) => expect(formatAge(since, now)).toBe(text));
