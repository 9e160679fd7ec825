import { expect, test } from "vitest";
import { ALERTS_MAX, emptyDashboard, RUNS_MAX, serverNow, stepDashboard, type DashboardEvent } from "../src/dashboard";
import { alert, frameAt, run, snapshot } from "./records";

/** The state after these events, one second apart, the first at second 1. */
function after(...events: DashboardEvent[]) {
  return events.reduce((state, event, index) => stepDashboard(state, event, (index + 1) * 1000), emptyDashboard(0));
}

const first = { kind: "snapshot", snapshot: snapshot({ frames: [frameAt(1)] }) } as const;

test("the page is live with the first snapshot", () => {
  expect(emptyDashboard(0).link.phase).toBe("connecting");
  expect(after(first).link).toEqual({ phase: "live", since_msec: 1000 });
});

test("a lost connection keeps the data and remembers when it was lost first", () => {
  const state = after(first, { kind: "lost" }, { kind: "lost" });
  expect(state.link).toEqual({ phase: "reconnecting", since_msec: 2000 });
  expect(state.frames).toHaveLength(1);
  expect(state.host?.hostname).toBe("vm");
});

test("before the first snapshot a failure is still connecting", () => {
  expect(after({ kind: "lost" }).link).toEqual({ phase: "connecting", since_msec: 0 });
});

test("dropped events end the live state, and the next snapshot replaces everything", () => {
  const lagged = after({ kind: "snapshot", snapshot: snapshot({ runs: [run(1, "RUNNING")] }) }, { kind: "lag", dropped: 3 });
  expect(lagged.link.phase).toBe("reconnecting");
  const again = stepDashboard(lagged, { kind: "snapshot", snapshot: snapshot({ runs: [run(2, "RUNNING")] }) }, 9000);
  expect(again.runs.map(({ id }) => id)).toEqual([2]);
  expect(again.link).toEqual({ phase: "live", since_msec: 9000 });
});

test("a run replaces the one of the same id and keeps the order, newest first", () => {
  const state = after(
    { kind: "snapshot", snapshot: snapshot({ runs: [run(2, "RUNNING"), run(1, "FAILED")] }) },
    { kind: "run", run: run(1, "COMPLETED") },
    { kind: "run", run: run(3, "RUNNING") },
  );
  expect(state.runs.map(({ id, state }) => [id, state])).toEqual([
    [3, "RUNNING"],
    [2, "RUNNING"],
    [1, "COMPLETED"],
  ]);
});

test("firing alerts come first, then the newest change", () => {
  const state = after(
    { kind: "snapshot", snapshot: snapshot({ alerts: [alert(1, "firing", 10), alert(2, "resolved", 90)] }) },
    { kind: "alert", alert: alert(3, "resolved", 95) },
    { kind: "alert", alert: alert(4, "firing", 20) },
    { kind: "alert", alert: alert(1, "resolved", 99) },
  );
  expect(state.alerts.map(({ id }) => id)).toEqual([4, 1, 3, 2]);
});

test("runs and alerts are bounded", () => {
  let state = emptyDashboard(0);
  for (let id = 1; id <= 80; id += 1) {
    state = stepDashboard(state, { kind: "run", run: run(id, "COMPLETED") }, id);
    state = stepDashboard(state, { kind: "alert", alert: alert(id, "resolved", id) }, id);
  }
  expect([state.runs.length, state.runs[0]!.id]).toEqual([RUNS_MAX, 80]);
  expect([state.alerts.length, state.alerts[0]!.id]).toEqual([ALERTS_MAX, 80]);
});

test("an unreadable event is counted and changes nothing else", () => {
  const state = after(first, { kind: "unreadable", name: "run", why: "no id" });
  expect(state.unreadable).toEqual({ count: 1, last: "run: no id" });
  expect(state.link.phase).toBe("live");
});

test("ages follow the server's clock, and stand still without a connection", () => {
  const live = after(first, { kind: "frame", frame: frameAt(502) });
  expect(serverNow(live, 5000)).toBe(505_000);
  const lost = stepDashboard(live, { kind: "lost" }, 6000);
  expect(serverNow(lost, 60_000)).toBe(502_000);
});
