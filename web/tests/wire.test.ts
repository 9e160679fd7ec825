import { expect, test } from "vitest";
import { parseEvent } from "../src/wire";
import { frameAt, run } from "./records";

test("a snapshot keeps what it has and fills in empty lists", () => {
  expect(parseEvent("snapshot", '{"version":"0.1.0","host":{"hostname":"vm","kernel":"6","cores":2},"new":1}')).toEqual({
    kind: "snapshot",
    snapshot: { version: "0.1.0", host: { hostname: "vm", kernel: "6", cores: 2 }, frames: [], runs: [], alerts: [] },
  });
});

test("a frame without its lists gets empty ones", () => {
  const event = parseEvent("frame", '{"time_msec":5,"cpu":null}');
  expect(event).toMatchObject({ kind: "frame", frame: { time_msec: 5, cpu: null, filesystems: [], absent: [] } });
});

test("whole records come through as they are", () => {
  expect(parseEvent("frame", JSON.stringify(frameAt(3)))).toEqual({ kind: "frame", frame: frameAt(3) });
  expect(parseEvent("run", JSON.stringify(run(1, "HIBERNATING")))).toEqual({ kind: "run", run: run(1, "HIBERNATING") });
});

test("dropped events are counted", () => {
  expect(parseEvent("lag", '{"dropped":12}')).toEqual({ kind: "lag", dropped: 12 });
});

test.each([
  ["frame", "{", /JSON/],
  ["frame", "[]", /expected an object/],
  ["frame", '{"time_msec":"5"}', /time_msec is not a number/],
  ["run", "{}", /id is not a number/],
  ["alert", "null", /expected an object/],
  ["snapshot", '{"frames":[1]}', /expected an object/],
] as const)("%s %s is unreadable and says why", (name, text, why) => {
  const event = parseEvent(name, text);
  expect(event).toMatchObject({ kind: "unreadable", name });
  expect(event.kind === "unreadable" && event.why).toMatch(why);
});
