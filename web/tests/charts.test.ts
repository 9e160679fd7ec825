import { expect, test } from "vitest";
import { CHARTS, describeChart } from "../src/charts";
import { frameAt } from "./records";

const chart = (key: string) => CHARTS.find((spec) => spec.key === key)!;
const memory = { total_bytes: 1000, available_bytes: 600, used_ratio: 0.4, swap_total_bytes: 0, swap_used_bytes: 0 };

test("memory used is the total less what is available", () => {
  const [used, available, swap] = chart("memory").series.map((series) => series.read(frameAt(1, { memory })));
  expect([used, available, swap]).toEqual([400, 600, null]);
});

test("swap in use is drawn when there is swap, also at zero", () => {
  const swap = chart("memory").series[2]!;
  expect(swap.read(frameAt(1, { memory: { ...memory, swap_total_bytes: 10 } }))).toBe(0);
});

test("no chart has a number for an empty frame", () => {
  for (const spec of CHARTS) {
    expect(spec.headline(frameAt(1))).toBe("–");
    expect(spec.series.map((series) => series.read(frameAt(1)) ?? null).every((value) => value === null)).toBe(true);
  }
});

test("the top of the scale leaves idle noise small", () => {
  expect(chart("cpu").top(0.2, undefined)).toBe(1);
  expect(chart("memory").top(400, frameAt(1, { memory }))).toBe(1000);
  expect(chart("disk").top(10, undefined)).toBe(16 * 1024);
  expect(chart("disk").top(1_000_000, undefined)).toBeCloseTo(1_100_000);
});

test("a chart is told in words too", () => {
  const frames = [frameAt(1, { build_cpu_ratio: 0.9 }), frameAt(2, { build_cpu_ratio: 0.25 })];
  expect(describeChart(chart("cpu"), frames)).toBe(
    "CPU over the last minutes: busy not measured; build now 25 %, highest 90 %; pressure not measured.",
  );
});
