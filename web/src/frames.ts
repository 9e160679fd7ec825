// The bounded row of frames behind the charts, and how it becomes columns.

import type { Frame } from "./wire";

/** Ten minutes at one frame a second, and some room for a faster clock. */
export const FRAMES_MAX = 660;
export const WINDOW_MAX_SECONDS = 600;

/** A pause longer than this many intervals is a hole in the record. */
const HOLE_INTERVALS = 3;
const WINDOW_SECONDS = [60, 120, 300, WINDOW_MAX_SECONDS];

/**
 * Times stay strictly rising: when the machine's clock was set back, the frames
 * that now lie in the future go, or no later frame would ever be drawn.
 */
export function pushFrame(frames: readonly Frame[], frame: Frame): Frame[] {
  let end = frames.length;
  while (end > 0 && frames[end - 1]!.time_msec >= frame.time_msec) end -= 1;
  const start = Math.max(0, end + 1 - FRAMES_MAX);
  return [...frames.slice(start, end), frame];
}

export function collectFrames(frames: readonly Frame[]): Frame[] {
  return frames.slice(-FRAMES_MAX).reduce<Frame[]>(pushFrame, []);
}

export type Column = (number | null)[];
export type Read = (frame: Frame) => number | null | undefined;
/** Unix seconds, then one column a series, as uPlot takes them. */
export type Columns = [number[], ...Column[]];

/** What was not measured is null, and so is one row inside every hole. */
export function deriveColumns(frames: readonly Frame[], reads: readonly Read[]): Columns {
  const times: number[] = [];
  const columns: Column[] = reads.map(() => []);
  frames.forEach((frame, index) => {
    const before = frames[index - 1];
    if (before && isHole(before, frame)) {
      times.push((before.time_msec + frame.time_msec) / 2000);
      for (const column of columns) column.push(null);
    }
    times.push(frame.time_msec / 1000);
    reads.forEach((read, series) => columns[series]!.push(read(frame) ?? null));
  });
  return [times, ...columns];
}

function isHole(before: Frame, after: Frame): boolean {
  const intervalMsec = Math.max(before.interval_usec ?? 0, after.interval_usec ?? 0, 1_000_000) / 1000;
  return after.time_msec - before.time_msec > HOLE_INTERVALS * intervalMsec;
}

/**
 * First and last second to draw. A young record gets a short window, so that
 * its first minute is not a sliver at the edge of ten.
 */
export function deriveWindow(frames: readonly Frame[], nowMsec: number): [number, number] {
  const last = frames.at(-1)?.time_msec ?? nowMsec;
  const first = frames[0]?.time_msec ?? last;
  const span = (last - first) / 1000;
  const length = WINDOW_SECONDS.find((seconds) => span <= seconds) ?? WINDOW_MAX_SECONDS;
  return [last / 1000 - length, last / 1000];
}

/** Points with nothing on either side, which a line alone would never show. */
export function deriveLonePoints(column: ArrayLike<number | null | undefined>): number[] {
  const lone: number[] = [];
  for (let index = 0; index < column.length; index += 1) {
    if (column[index] != null && column[index - 1] == null && column[index + 1] == null) lone.push(index);
  }
  return lone;
}

export function countMeasured(column: Column | undefined): number {
  return (column ?? []).reduce<number>((count, value) => (value === null ? count : count + 1), 0);
}
