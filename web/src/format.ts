// Numbers to short text. What was not measured is always shown as a dash.

export type Measured = number | null | undefined;

export const ABSENT = "–";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function formatBytes(bytes: Measured): string {
  if (!isMeasured(bytes)) return ABSENT;
  let value = Math.max(0, bytes);
  let unit = 0;
  // 1023.5 would be rounded to "1024 KiB", so it already counts as the next unit.
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${BYTE_UNITS[unit]}`;
}

export function formatByteRate(bytesPerSecond: Measured): string {
  return isMeasured(bytesPerSecond) ? `${formatBytes(bytesPerSecond)}/s` : ABSENT;
}

export function formatRatio(ratio: Measured): string {
  return isMeasured(ratio) ? formatPercent(ratio * 100) : ABSENT;
}

/** Never "100 %" before it is all, nor "0 %" when there is something. */
export function formatPercent(percent: Measured): string {
  if (!isMeasured(percent)) return ABSENT;
  if (percent > 0 && percent < 1) return "<1 %";
  if (percent > 99 && percent < 100) return "99 %";
  return `${Math.round(percent)} %`;
}

export function formatDuration(seconds: Measured): string {
  if (!isMeasured(seconds)) return ABSENT;
  const clamped = Math.max(0, seconds);
  if (clamped < 9.95) return `${clamped.toFixed(1)} s`;
  const whole = Math.round(clamped);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${twoDigits(whole % 60)}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** Whole seconds, for what ticks on the page: "now", "42 s ago", "3m 05s ago". */
export function formatAge(sinceMsec: number, nowMsec: number): string {
  const seconds = Math.floor((nowMsec - sinceMsec) / 1000);
  if (seconds < 1) return "now";
  return `${seconds < 60 ? `${seconds} s` : formatDuration(seconds)} ago`;
}

export function formatClock(timeMsec: number, withSeconds: boolean): string {
  const time = new Date(timeMsec);
  const minutes = `${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}`;
  return withSeconds ? `${minutes}:${twoDigits(time.getSeconds())}` : minutes;
}

export function formatCount(count: Measured): string {
  return isMeasured(count) ? String(Math.round(count)) : ABSENT;
}

export function formatLoad(load: Measured): string {
  return isMeasured(load) ? load.toFixed(2) : ABSENT;
}

export function isMeasured(value: Measured): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function threeDigits(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  if (value < 99.95) return value.toFixed(1);
  return value.toFixed(0);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
