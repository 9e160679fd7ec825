// What the server sends at /api/v1/events: the shapes, and text to value.
//
// `null` always means "not measured"; zero means zero. A field this page does
// not know is ignored, and a state or severity it does not know stays a word.

export type Word = string;

export interface Host {
  hostname: string;
  kernel: string;
  cores: number;
}

export interface Cpu {
  busy_ratio: number;
  user_ratio: number;
  system_ratio: number;
  iowait_ratio: number;
  steal_ratio: number;
  cores: { core: number; busy_ratio: number }[];
}

export interface Memory {
  total_bytes: number;
  available_bytes: number;
  used_ratio: number;
  swap_total_bytes: number;
  swap_used_bytes: number;
}

export interface Filesystem {
  mountpoint: string;
  device: string;
  fstype: string;
  read_only: boolean;
  size_bytes: number;
  available_bytes: number;
  used_ratio: number;
}

export interface Disk {
  read_bytes_per_second: number;
  write_bytes_per_second: number;
  reads_per_second: number;
  writes_per_second: number;
  busiest: string | null;
  busiest_ratio: number;
}

export interface Network {
  receive_bytes_per_second: number;
  transmit_bytes_per_second: number;
}

/** Share of the interval in which tasks waited for a resource, 0 to 1. */
export interface Pressure {
  cpu_some: number | null;
  memory_some: number | null;
  memory_full: number | null;
  io_some: number | null;
  io_full: number | null;
}

export interface Absent {
  what: string;
  why: string;
}

/** What the machine did in one interval that ended at `time_msec`. */
export interface Frame {
  time_msec: number;
  interval_usec: number;
  cpu: Cpu | null;
  /** Share of the whole machine, 0 to 1. */
  build_cpu_ratio: number | null;
  build_processes: number | null;
  load: { one: number; five: number; fifteen: number } | null;
  memory: Memory | null;
  filesystems: Filesystem[];
  disk: Disk | null;
  network: Network | null;
  pressure: Pressure | null;
  processes: { count: number; running: number; blocked: number } | null;
  absent: Absent[];
}

export interface Step {
  id: string;
  title: string;
  package: string;
  version: string;
  state: Word;
  attempt: number | null;
  phase: string | null;
  /** 0 to 100. */
  percent: number | null;
  eta_seconds: number | null;
  started_msec: number | null;
  ended_msec: number | null;
  wall_seconds: number | null;
  cpu_seconds: number | null;
  cpu_source: string | null;
  memory_peak_bytes: number | null;
  memory_source: string | null;
  read_bytes: number | null;
  write_bytes: number | null;
  io_source: string | null;
  processes: number | null;
  exit_code: number | null;
  signal: number | string | null;
  reason: string | null;
  first_error_line: string | null;
}

export interface Run {
  id: number;
  name: string;
  state: Word;
  started_msec: number;
  ended_msec: number | null;
  /** 0 to 100. */
  percent: number | null;
  eta_seconds: number | null;
  root: string;
  steps: Step[];
}

export interface Alert {
  id: number;
  rule: string;
  severity: Word;
  state: Word;
  labels: Record<string, string>;
  value: number | null;
  threshold: number | null;
  since_msec: number;
  changed_msec: number;
  message: string;
  runbook: string | null;
}

export interface Snapshot {
  version: string;
  host: Host;
  frames: Frame[];
  runs: Run[];
  alerts: Alert[];
}

export type ServerEvent =
  | { kind: "snapshot"; snapshot: Snapshot }
  | { kind: "frame"; frame: Frame }
  | { kind: "run"; run: Run }
  | { kind: "alert"; alert: Alert }
  | { kind: "lag"; dropped: number }
  | { kind: "unreadable"; name: string; why: string };

export const EVENT_NAMES = ["snapshot", "frame", "run", "alert", "lag"] as const;
export type EventName = (typeof EVENT_NAMES)[number];

type Fields = Record<string, unknown>;

export function parseEvent(name: EventName, text: string): ServerEvent {
  try {
    const fields = fieldsOf(JSON.parse(text));
    switch (name) {
      case "snapshot":
        return { kind: "snapshot", snapshot: parseSnapshot(fields) };
      case "frame":
        return { kind: "frame", frame: parseFrame(fields) };
      case "run":
        return { kind: "run", run: parseRun(fields) };
      case "alert":
        return { kind: "alert", alert: parseAlert(fields) };
      case "lag":
        return { kind: "lag", dropped: Number(fields.dropped ?? 0) };
    }
  } catch (error) {
    return { kind: "unreadable", name, why: error instanceof Error ? error.message : String(error) };
  }
}

function parseSnapshot(fields: Fields): Snapshot {
  const host = fieldsOf(fields.host ?? {});
  return {
    version: String(fields.version ?? ""),
    host: {
      hostname: String(host.hostname ?? ""),
      kernel: String(host.kernel ?? ""),
      cores: Number(host.cores ?? 0),
    },
    frames: listOf(fields.frames).map(parseFrame),
    runs: listOf(fields.runs).map(parseRun),
    alerts: listOf(fields.alerts).map(parseAlert),
  };
}

/** The lists are made sure of; every other field is read where it is shown. */
function parseFrame(fields: Fields): Frame {
  requireNumber(fields, "time_msec");
  return {
    ...(fields as unknown as Frame),
    filesystems: listOf(fields.filesystems) as unknown as Filesystem[],
    absent: listOf(fields.absent) as unknown as Absent[],
  };
}

function parseRun(fields: Fields): Run {
  requireNumber(fields, "id");
  return {
    ...(fields as unknown as Run),
    state: String(fields.state ?? "UNKNOWN"),
    steps: listOf(fields.steps) as unknown as Step[],
  };
}

function parseAlert(fields: Fields): Alert {
  requireNumber(fields, "id");
  return {
    ...(fields as unknown as Alert),
    severity: String(fields.severity ?? "unknown"),
    state: String(fields.state ?? "unknown"),
    labels: fieldsOf(fields.labels ?? {}) as Record<string, string>,
  };
}

function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("expected an object");
  }
  return value as Fields;
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function requireNumber(fields: Fields, name: string): void {
  if (typeof fields[name] !== "number") throw new Error(`${name} is not a number`);
}
