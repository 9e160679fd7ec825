// Frames, runs, steps and alerts for the tests; each test names only what it is about.

import type { Alert, Frame, Run, Snapshot, Step } from "../src/wire";

export function frameAt(seconds: number, fields: Partial<Frame> = {}): Frame {
  return {
    time_msec: seconds * 1000,
    interval_usec: 1_000_000,
    cpu: null,
    build_cpu_ratio: null,
    build_processes: null,
    load: null,
    memory: null,
    filesystems: [],
    disk: null,
    network: null,
    pressure: null,
    processes: null,
    absent: [],
    ...fields,
  };
}

export function step(id: string, state: string, fields: Partial<Step> = {}): Step {
  return {
    id,
    title: id,
    package: id,
    version: "1.0",
    state,
    attempt: null,
    phase: null,
    percent: null,
    eta_seconds: null,
    started_msec: null,
    ended_msec: null,
    wall_seconds: null,
    cpu_seconds: null,
    cpu_source: null,
    memory_peak_bytes: null,
    memory_source: null,
    read_bytes: null,
    write_bytes: null,
    io_source: null,
    processes: null,
    exit_code: null,
    signal: null,
    reason: null,
    first_error_line: null,
    ...fields,
  };
}

export function run(id: number, state: string, fields: Partial<Run> = {}): Run {
  return {
    id,
    name: `run ${id}`,
    state,
    started_msec: id * 1000,
    ended_msec: null,
    percent: null,
    eta_seconds: null,
    root: "/root",
    steps: [],
    ...fields,
  };
}

export function alert(id: number, state: string, changed_msec: number): Alert {
  return {
    id,
    rule: "memory",
    severity: "warning",
    state,
    labels: {},
    value: null,
    threshold: null,
    since_msec: changed_msec,
    changed_msec,
    message: `alert ${id}`,
    runbook: null,
  };
}

export function snapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    version: "0.1.0",
    host: { hostname: "vm", kernel: "6.18", cores: 2 },
    frames: [],
    runs: [],
    alerts: [],
    ...fields,
  };
}
