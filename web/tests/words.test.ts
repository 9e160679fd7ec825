import { expect, test } from "vitest";
import { alertStateText, severityTone, stateTone } from "../src/words";

test("known words have their tone, unknown ones a quiet one", () => {
  expect(["RUNNING", "COMPLETED", "FAILED", "LOST", "PENDING", "ODD"].map(stateTone)).toEqual([
    "active",
    "good",
    "bad",
    "warn",
    "waiting",
    "quiet",
  ]);
  expect(["info", "warning", "error", "critical", "emergency", "odd"].map(severityTone)).toEqual([
    "active",
    "warn",
    "bad",
    "bad",
    "bad",
    "quiet",
  ]);
  expect(["firing", "nodata", "shelved"].map(alertStateText)).toEqual(["firing", "no data", "shelved"]);
});
