import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RETRY_MSEC, SILENCE_MSEC_MIN, startLive, type Source } from "../src/live";
import { frameAt, snapshot } from "./records";

class FakeSource implements Source {
  onerror: ((event: Event) => unknown) | null = null;
  closed = false;
  #listeners = new Map<string, (event: { data: string }) => void>();

  addEventListener(name: string, listener: (event: { data: string }) => void): void {
    this.#listeners.set(name, listener);
  }

  close(): void {
    this.closed = true;
  }

  send(name: string, data: unknown): void {
    this.#listeners.get(name)?.({ data: JSON.stringify(data) });
  }

  fail(): void {
    this.onerror?.({} as Event);
  }
}

let sources: FakeSource[];
let seen: string[];
let stop: () => void;

const newest = () => sources.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  seen = [];
  stop = startLive({
    open: () => {
      sources.push(new FakeSource());
      return newest();
    },
    onEvent: (event) => seen.push(event.kind),
    onLost: () => seen.push("lost"),
  });
});

afterEach(() => {
  stop();
  vi.useRealTimers();
});

test("events arrive in order", () => {
  newest().send("snapshot", snapshot());
  newest().send("frame", frameAt(1));
  expect(seen).toEqual(["snapshot", "frame"]);
});

test("each failed attempt waits longer, up to a limit, and a snapshot starts over", () => {
  for (const wait of [...RETRY_MSEC, RETRY_MSEC.at(-1)!]) {
    const opened = sources.length;
    newest().fail();
    vi.advanceTimersByTime(wait - 1);
    expect(sources).toHaveLength(opened);
    vi.advanceTimersByTime(1);
    expect(sources).toHaveLength(opened + 1);
  }
  newest().send("snapshot", snapshot());
  newest().fail();
  const opened = sources.length;
  vi.advanceTimersByTime(RETRY_MSEC[0]!);
  expect(sources).toHaveLength(opened + 1);
});

test("silence counts as lost", () => {
  newest().send("snapshot", snapshot());
  vi.advanceTimersByTime(SILENCE_MSEC_MIN - 1);
  expect(seen).toEqual(["snapshot"]);
  vi.advanceTimersByTime(1);
  expect(seen).toEqual(["snapshot", "lost"]);
  expect(sources[0]!.closed).toBe(true);
});

test("a slow sampler is given four of its intervals", () => {
  newest().send("frame", frameAt(1, { interval_usec: 60_000_000 }));
  vi.advanceTimersByTime(239_999);
  expect(seen).toEqual(["frame"]);
  vi.advanceTimersByTime(1);
  expect(seen).toEqual(["frame", "lost"]);
});

test("after dropped events the page asks for a new snapshot", () => {
  newest().send("lag", { dropped: 4 });
  expect(seen).toEqual(["lag", "lost"]);
  vi.advanceTimersByTime(RETRY_MSEC[0]!);
  expect(sources).toHaveLength(2);
});

test("a source that was given up is no longer heard", () => {
  const old = newest();
  old.fail();
  old.send("frame", frameAt(1));
  old.fail();
  expect(seen).toEqual(["lost"]);
});

test("once stopped it stays stopped", () => {
  stop();
  vi.advanceTimersByTime(60_000);
  expect(newest().closed).toBe(true);
  expect(sources).toHaveLength(1);
});
