// The four charts, as data: what each series reads from a frame and how it looks.

import { formatByteRate, formatBytes, formatRatio } from "./format";
import type { Read } from "./frames";
import type { Frame } from "./wire";

/** Names of colours in app.css. */
export type Ink = "plain" | "cool" | "warm" | "fresh";

export interface SeriesSpec {
  label: string;
  /** For those who wonder what exactly is drawn. */
  meaning: string;
  ink: Ink;
  filled?: boolean;
  dashed?: boolean;
  read: Read;
}

export interface ChartSpec {
  key: string;
  title: string;
  /** The word that the frame's `absent` list uses for this source. */
  source: string;
  /** What the title says: the newest value of what the chart is about. */
  headline: (newest: Frame) => string;
  format: (value: number | null | undefined) => string;
  /** Top of the scale, from the largest value drawn and the newest frame. */
  top: (largest: number, newest: Frame | undefined) => number;
  series: SeriesSpec[];
}

/** Below this a rate is idle noise and must not fill the whole height. */
const RATE_TOP_MIN = 16 * 1024;

function rateTop(largest: number): number {
  return Math.max(largest * 1.1, RATE_TOP_MIN);
}

export const CHARTS: ChartSpec[] = [
  {
    key: "cpu",
    title: "CPU",
    source: "cpu",
    headline: (newest) => formatRatio(newest.cpu?.busy_ratio),
    format: formatRatio,
    top: () => 1,
    series: [
      {
        label: "busy",
        meaning: "share of the whole machine's CPU time in use",
        ink: "plain",
        filled: true,
        read: (frame) => frame.cpu?.busy_ratio,
      },
      {
        label: "build",
        meaning: "the part of it that the build caused",
        ink: "cool",
        filled: true,
        read: (frame) => frame.build_cpu_ratio,
      },
      {
        label: "pressure",
        meaning: "share of time in which some task waited for a CPU (PSI some)",
        ink: "warm",
        dashed: true,
        read: (frame) => frame.pressure?.cpu_some,
      },
    ],
  },
  {
    key: "memory",
    title: "Memory",
    source: "memory",
    headline: (newest) => formatRatio(newest.memory?.used_ratio),
    format: formatBytes,
    top: (largest, newest) => newest?.memory?.total_bytes ?? Math.max(largest * 1.1, 1),
    series: [
      {
        label: "used",
        meaning: "total less available",
        ink: "cool",
        filled: true,
        read: ({ memory }) => (memory ? memory.total_bytes - memory.available_bytes : null),
      },
      {
        label: "available",
        meaning: "what programs can still get without swapping",
        ink: "fresh",
        read: (frame) => frame.memory?.available_bytes,
      },
      {
        label: "swap",
        meaning: "swap in use; a dash when the machine has none",
        ink: "warm",
        dashed: true,
        read: ({ memory }) => (memory && memory.swap_total_bytes > 0 ? memory.swap_used_bytes : null),
      },
    ],
  },
  {
    key: "disk",
    title: "Disk",
    source: "disk",
    headline: ({ disk }) => formatByteRate(disk && disk.read_bytes_per_second + disk.write_bytes_per_second),
    format: formatByteRate,
    top: rateTop,
    series: [
      {
        label: "read",
        meaning: "bytes read from all disks a second",
        ink: "cool",
        filled: true,
        read: (frame) => frame.disk?.read_bytes_per_second,
      },
      {
        label: "write",
        meaning: "bytes written to all disks a second",
        ink: "warm",
        filled: true,
        read: (frame) => frame.disk?.write_bytes_per_second,
      },
    ],
  },
  {
    key: "network",
    title: "Network",
    source: "network",
    headline: ({ network }) =>
      formatByteRate(network && network.receive_bytes_per_second + network.transmit_bytes_per_second),
    format: formatByteRate,
    top: rateTop,
    series: [
      {
        label: "received",
        meaning: "bytes received on all interfaces a second",
        ink: "cool",
        filled: true,
        read: (frame) => frame.network?.receive_bytes_per_second,
      },
      {
        label: "sent",
        meaning: "bytes sent on all interfaces a second",
        ink: "warm",
        filled: true,
        read: (frame) => frame.network?.transmit_bytes_per_second,
      },
    ],
  },
];

/** One sentence for those who cannot see the canvas. */
export function describeChart(spec: ChartSpec, frames: readonly Frame[]): string {
  const newest = frames.at(-1);
  const parts = spec.series.map((series) => {
    const values = frames.map(series.read).filter((value): value is number => value != null);
    if (values.length === 0) return `${series.label} not measured`;
    const most = values.reduce((largest, value) => Math.max(largest, value), 0);
    return `${series.label} now ${spec.format(newest && series.read(newest))}, highest ${spec.format(most)}`;
  });
  return `${spec.title} over the last minutes: ${parts.join("; ")}.`;
}
