// Everything the page shows, as one value, and how each event changes it.

import { collectFrames, pushFrame } from "./frames";
import type { Alert, Frame, Host, Run, ServerEvent } from "./wire";

export const RUNS_MAX = 10;
export const ALERTS_MAX = 50;

export interface Link {
  /** `live` begins with a snapshot, not with the open socket. */
  phase: "connecting" | "live" | "reconnecting";
  since_msec: number;
}

export interface Dashboard {
  link: Link;
  version: string;
  host: Host | null;
  frames: Frame[];
  runs: Run[];
  alerts: Alert[];
  /** Server clock less browser clock, so that ages are right on a machine whose clock is off. */
  skew_msec: number;
  unreadable: { count: number; last: string } | null;
}

export type DashboardEvent = ServerEvent | { kind: "lost" };

export function emptyDashboard(nowMsec: number): Dashboard {
  return {
    link: { phase: "connecting", since_msec: nowMsec },
    version: "",
    host: null,
    frames: [],
    runs: [],
    alerts: [],
    skew_msec: 0,
    unreadable: null,
  };
}

export function stepDashboard(state: Dashboard, event: DashboardEvent, nowMsec: number): Dashboard {
  switch (event.kind) {
    case "snapshot": {
      const { version, host, frames, runs, alerts } = event.snapshot;
      const kept = collectFrames(frames);
      return {
        ...state,
        link: { phase: "live", since_msec: nowMsec },
        version,
        host,
        frames: kept,
        runs: runs.toSorted(byNewestRun).slice(0, RUNS_MAX),
        alerts: alerts.toSorted(byUrgency).slice(0, ALERTS_MAX),
        // The newest frame is up to an interval old: close enough until the next one.
        skew_msec: kept.length > 0 ? kept.at(-1)!.time_msec - nowMsec : state.skew_msec,
      };
    }
    case "frame":
      return { ...state, frames: pushFrame(state.frames, event.frame), skew_msec: event.frame.time_msec - nowMsec };
    case "run":
      return { ...state, runs: replaceById(state.runs, event.run).sort(byNewestRun).slice(0, RUNS_MAX) };
    case "alert":
      return { ...state, alerts: replaceById(state.alerts, event.alert).sort(byUrgency).slice(0, ALERTS_MAX) };
    case "lag":
    case "lost":
      return loseLink(state, nowMsec);
    case "unreadable": {
      const count = (state.unreadable?.count ?? 0) + 1;
      return { ...state, unreadable: { count, last: `${event.name}: ${event.why}` } };
    }
  }
}

/** The first loss counts: a failed retry does not restart the clock. */
function loseLink(state: Dashboard, nowMsec: number): Dashboard {
  if (state.link.phase !== "live") return state;
  return { ...state, link: { phase: "reconnecting", since_msec: nowMsec } };
}

/** The server's time; without a connection it stands still, as the data does. */
export function serverNow(state: Dashboard, nowMsec: number): number {
  const newest = state.frames.at(-1);
  if (state.link.phase === "reconnecting" && newest) return newest.time_msec;
  return nowMsec + state.skew_msec;
}

function replaceById<Item extends { id: number }>(items: readonly Item[], item: Item): Item[] {
  return [item, ...items.filter((other) => other.id !== item.id)];
}

function byNewestRun(a: Run, b: Run): number {
  return b.started_msec - a.started_msec || b.id - a.id;
}

/** Firing before settled, then the newest change. */
function byUrgency(a: Alert, b: Alert): number {
  const firing = Number(b.state === "firing") - Number(a.state === "firing");
  return firing || b.changed_msec - a.changed_msec || b.id - a.id;
}
