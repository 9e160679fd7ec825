import { expect, test } from "vitest";
import { countStates, describeFailure, describeSources, elapsedSeconds, filterSteps, pickRun, STEPS_AROUND } from "../src/builds";
import { run, step } from "./records";

test("the run in view is the chosen one, else the newest running, else the newest", () => {
  const runs = [run(4, "FAILED"), run(3, "RUNNING"), run(2, "RUNNING"), run(1, "COMPLETED")];
  expect(pickRun(runs, 1)?.id).toBe(1);
  expect(pickRun(runs, null)?.id).toBe(3);
  expect(pickRun(runs, 99)?.id).toBe(3);
  expect(pickRun([runs[0]!, runs[3]!], null)?.id).toBe(4);
  expect(pickRun([], null)).toBeUndefined();
});

test("running time grows with the clock, ended time is what was measured", () => {
  const timed = { started_msec: 1000, ended_msec: 4000, wall_seconds: 2.5 };
  expect(elapsedSeconds({ ...timed, state: "RUNNING", ended_msec: null }, 3000)).toBe(2);
  expect(elapsedSeconds({ ...timed, state: "COMPLETED" }, 99_000)).toBe(2.5);
  expect(elapsedSeconds({ ...timed, state: "FAILED", wall_seconds: null }, 99_000)).toBe(3);
  expect(elapsedSeconds({ ...timed, state: "RUNNING", started_msec: 5000 }, 3000)).toBe(0);
  expect(elapsedSeconds(step("a", "PENDING"), 99_000)).toBeNull();
});

test.each([
  [{ exit_code: 2 }, "FAILED", "exit code 2"],
  [{ signal: 11, reason: "build failed" }, "FAILED", "ended by SIGSEGV (11) · build failed"],
  [{ signal: 42 }, "FAILED", "ended by signal 42"],
  [{ signal: "SIGKILL" }, "LOST", "ended by SIGKILL"],
  [{ exit_code: 0 }, "FAILED", "exit code 0"],
  [{ exit_code: 0, reason: "already installed" }, "SKIPPED", "already installed"],
  [{ exit_code: 0 }, "COMPLETED", null],
  [{}, "FAILED", null],
])("%j of a %s step reads %s", (fields, state, text) => {
  expect(describeFailure(step("a", state, fields))).toBe(text);
});

test("around now are the running steps, their neighbours and every problem", () => {
  const steps = Array.from({ length: 60 }, (_, index) =>
    step(String(index), index < 30 ? "COMPLETED" : index < 32 ? "RUNNING" : "PENDING"),
  );
  steps[3] = step("3", "FAILED");
  const ids = filterSteps(steps, "around now").map(({ id }) => Number(id));
  expect([ids[0], ids[1], ids.at(-1)]).toEqual([3, 30 - STEPS_AROUND, 31 + STEPS_AROUND]);
  expect(filterSteps(steps, "problems").map(({ id }) => id)).toEqual(["3"]);
  expect(filterSteps(steps, "all")).toHaveLength(60);
});

test("when nothing runs, now is where the build stopped", () => {
  const steps = Array.from({ length: 40 }, (_, index) => step(String(index), index < 20 ? "COMPLETED" : "PENDING"));
  const ids = filterSteps(steps, "around now").map(({ id }) => Number(id));
  expect([ids[0], ids.at(-1)]).toEqual([19 - STEPS_AROUND, 19 + STEPS_AROUND]);
});

test("states are counted in the order of the plan, unknown words too", () => {
  const steps = [step("a", "COMPLETED"), step("b", "COMPLETED"), step("c", "ODD")];
  expect(countStates(steps)).toEqual([
    { state: "COMPLETED", count: 2 },
    { state: "ODD", count: 1 },
  ]);
});

test("the sources of the numbers are named once each", () => {
  const steps = [
    step("a", "COMPLETED", { cpu_source: "cgroup", memory_source: "wait4" }),
    step("b", "COMPLETED", { cpu_source: "taskstats", memory_source: "wait4" }),
  ];
  expect(describeSources(steps)).toBe("CPU: cgroup, taskstats · memory: wait4");
  expect(describeSources([step("a", "PENDING")])).toBe("");
});
