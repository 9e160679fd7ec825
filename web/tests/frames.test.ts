import { expect, test } from "vitest";
import { collectFrames, countMeasured, deriveColumns, deriveLonePoints, deriveWindow, FRAMES_MAX, pushFrame } from "../src/frames";
import type { Frame } from "../src/wire";
import { frameAt } from "./records";

const readBuild = (frame: Frame) => frame.build_cpu_ratio;
const times = (frames: Frame[]) => frames.map((frame) => frame.time_msec / 1000);

test("the row of frames is bounded and drops the oldest", () => {
  let frames: Frame[] = [];
  for (let second = 0; second < FRAMES_MAX + 5; second += 1) frames = pushFrame(frames, frameAt(second));
  expect(frames).toHaveLength(FRAMES_MAX);
  expect(frames[0]!.time_msec).toBe(5000);
  expect(FRAMES_MAX).toBeGreaterThanOrEqual(600);
});

test("pushing leaves the old row as it was", () => {
  const before = [frameAt(1)];
  pushFrame(before, frameAt(2));
  expect(times(before)).toEqual([1]);
});

test("a clock set back drops the frames that now lie in the future", () => {
  expect(times(collectFrames([1, 2, 3, 4, 5].map((second) => frameAt(second))))).toEqual([1, 2, 3, 4, 5]);
  expect(times(collectFrames([1, 2, 10, 11, 3].map((second) => frameAt(second))))).toEqual([1, 2, 3]);
});

test("a frame of the same time replaces the other", () => {
  const frames = pushFrame([frameAt(1), frameAt(2)], frameAt(2, { build_processes: 7 }));
  expect(times(frames)).toEqual([1, 2]);
  expect(frames[1]!.build_processes).toBe(7);
});

test("null stays null and zero stays zero", () => {
  const frames = [frameAt(1, { build_cpu_ratio: 0 }), frameAt(2), frameAt(3, { build_cpu_ratio: 0.5 })];
  expect(deriveColumns(frames, [readBuild, (frame) => frame.cpu?.busy_ratio])).toEqual([
    [1, 2, 3],
    [0, null, 0.5],
    [null, null, null],
  ]);
});

test("a pause becomes one empty row, a late frame does not", () => {
  const frames = [1, 2, 4, 30].map((second) => frameAt(second, { build_cpu_ratio: 1 }));
  expect(deriveColumns(frames, [readBuild])).toEqual([
    [1, 2, 4, 17, 30],
    [1, 1, 1, null, 1],
  ]);
});

test("a slow sampler has no holes at its own pace", () => {
  const frames = [0, 10, 20].map((second) => frameAt(second, { interval_usec: 10_000_000 }));
  expect(deriveColumns(frames, [readBuild])[0]).toEqual([0, 10, 20]);
});

test.each([
  [[100], 60],
  [[100, 150], 60],
  [[100, 161], 120],
  [[100, 500], 600],
  [[100, 5000], 600],
])("frames at %j are drawn in a window of %d seconds", (seconds, length) => {
  const [first, last] = deriveWindow(seconds.map((second) => frameAt(second)), 0);
  expect([last, last - first]).toEqual([seconds.at(-1), length]);
});

test("without frames the window ends now", () => {
  expect(deriveWindow([], 90_000)).toEqual([30, 90]);
});

test("points between nulls are found, for a line would not show them", () => {
  expect(deriveLonePoints([1, null, 2, 3, null, 4])).toEqual([0, 5]);
  expect(deriveLonePoints([])).toEqual([]);
  expect(countMeasured([1, null, 0])).toBe(2);
});
