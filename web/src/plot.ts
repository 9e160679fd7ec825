// How a chart's specification becomes uPlot options.

import uPlot from "uplot";
import type { ChartSpec, SeriesSpec } from "./charts";
import { formatClock } from "./format";
import { deriveLonePoints } from "./frames";
import type { Frame } from "./wire";

export interface PlotInputs {
  /** First and last second to draw. */
  window: () => [number, number];
  newest: () => Frame | undefined;
  /** Index of the row under the pointer, or null when it left. */
  onPoint: (index: number | null) => void;
}

const FONT = "11px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
/** Binary steps for bytes, so that labels read 256, 512, 1.00 MiB. */
const BYTE_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);
const RATIO_STEPS = [0.25, 0.5, 1];
const TIME_STEPS = [15, 30, 60, 120, 300, 600];
const WITH_SECONDS_UP_TO = 120;
const ABOVE_TOP_PIXELS = 6;
const HALF_A_LABEL_PIXELS = 16;

export function plotOptions(spec: ChartSpec, place: HTMLElement, inputs: PlotInputs): uPlot.Options {
  return {
    width: place.clientWidth,
    height: place.clientHeight,
    padding: [ABOVE_TOP_PIXELS, HALF_A_LABEL_PIXELS, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: "machine" },
      drag: { x: false, y: false },
      points: { size: 6 },
    },
    scales: {
      x: { time: true, range: () => inputs.window() },
      y: { range: (_plot, _low, high) => [0, spec.top(high ?? 0, inputs.newest())] },
    },
    axes: [timeAxis(inputs), valueAxis(spec)],
    series: [{}, ...spec.series.map((series) => lineOf(series))],
    hooks: {
      setCursor: [(plot) => inputs.onPoint(plot.cursor.idx ?? null)],
    },
  };
}

function lineOf(spec: SeriesSpec): uPlot.Series {
  return {
    label: spec.label,
    width: 1.25,
    spanGaps: false,
    stroke: () => inkOf(`--series-${spec.ink}`),
    fill: spec.filled ? () => inkOf(`--series-${spec.ink}-fill`) : undefined,
    dash: spec.dashed ? [4, 3] : undefined,
    points: {
      show: true,
      size: 3,
      filter: (plot, series) => deriveLonePoints(plot.data[series]!),
    },
  };
}

function timeAxis(inputs: PlotInputs): uPlot.Axis {
  return {
    ...plainAxis(),
    size: 20,
    space: 64,
    incrs: TIME_STEPS,
    values: (_plot, seconds) => {
      const [first, last] = inputs.window();
      return seconds.map((second) => formatClock(second * 1000, last - first <= WITH_SECONDS_UP_TO));
    },
  };
}

function valueAxis(spec: ChartSpec): uPlot.Axis {
  const isRatio = spec.key === "cpu";
  return {
    ...plainAxis(),
    size: 62,
    space: 24,
    incrs: isRatio ? RATIO_STEPS : BYTE_STEPS,
    values: (_plot, values) => values.map((value) => (value === 0 && !isRatio ? "0" : axisText(spec, value))),
  };
}

/** Axis steps are powers of two, so "1.00 GiB" may drop its zeros. */
function axisText(spec: ChartSpec, value: number): string {
  return spec.format(value).replace(/\.0+ /, " ");
}

function plainAxis(): uPlot.Axis {
  return {
    font: FONT,
    gap: 4,
    stroke: () => inkOf("--ink-soft"),
    grid: { stroke: () => inkOf("--grid"), width: 1 },
    ticks: { show: false },
  };
}

function inkOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}
