// What the page says about a run and its steps, derived from the record alone.

import type { Run, Step } from "./wire";

/** The newest run that is still going, else the newest of all. Runs come newest first. */
export function pickRun(runs: readonly Run[], chosenId: number | null): Run | undefined {
  return (
    runs.find((run) => run.id === chosenId) ?? runs.find((run) => run.state === "RUNNING") ?? runs[0]
  );
}

export function countStates(steps: readonly Step[]): { state: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { state } of steps) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => ({ state, count }));
}

export const STEP_FILTERS = ["around now", "all", "problems"] as const;
export type StepFilter = (typeof STEP_FILTERS)[number];

/** How many steps before and after the running ones count as "around now". */
export const STEPS_AROUND = 6;

export function filterSteps(steps: readonly Step[], filter: StepFilter): readonly Step[] {
  switch (filter) {
    case "all":
      return steps;
    case "problems":
      return steps.filter(isProblem);
    case "around now": {
      const [first, last] = deriveFront(steps);
      return steps.filter(
        (step, index) => isProblem(step) || (index >= first - STEPS_AROUND && index <= last + STEPS_AROUND),
      );
    }
  }
}

function isProblem({ state }: Step): boolean {
  return state === "FAILED" || state === "LOST";
}

/** First and last running step; when none runs, the last one that was begun. */
function deriveFront(steps: readonly Step[]): [number, number] {
  const first = steps.findIndex(({ state }) => state === "RUNNING");
  if (first >= 0) return [first, steps.findLastIndex(({ state }) => state === "RUNNING")];
  const begun = Math.max(0, steps.findLastIndex(({ state }) => state !== "PENDING"));
  return [begun, begun];
}

interface Timed {
  state: string;
  started_msec: number | null;
  ended_msec: number | null;
  wall_seconds?: number | null;
}

/** Running: seconds so far. Ended: the wall time that was measured. */
export function elapsedSeconds(item: Timed, nowMsec: number): number | null {
  const { started_msec: started, ended_msec: ended } = item;
  if (item.state === "RUNNING" && started != null) return Math.max(0, nowMsec - started) / 1000;
  if (item.wall_seconds != null) return item.wall_seconds;
  return started != null && ended != null ? (ended - started) / 1000 : null;
}

const SIGNAL_NAMES: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
};

/** Exit code, signal and reason in a line, or null when there is nothing to say. */
export function describeFailure(step: Step): string | null {
  if (step.state === "COMPLETED" || step.state === "RUNNING" || step.state === "PENDING") return null;
  const parts: string[] = [];
  if (step.exit_code != null && (step.exit_code !== 0 || step.state === "FAILED")) parts.push(`exit code ${step.exit_code}`);
  if (step.signal != null) parts.push(signalText(step.signal));
  if (step.reason) parts.push(step.reason);
  return parts.length > 0 ? parts.join(" · ") : null;
}

function signalText(signal: number | string): string {
  if (typeof signal === "string") return `ended by ${signal}`;
  const name = SIGNAL_NAMES[signal];
  return name ? `ended by ${name} (${signal})` : `ended by signal ${signal}`;
}

/** Where the columns' numbers come from, e.g. "CPU: cgroup · memory: wait4". */
export function describeSources(steps: readonly Step[]): string {
  const columns: [string, (step: Step) => string | null][] = [
    ["CPU", (step) => step.cpu_source],
    ["memory", (step) => step.memory_source],
    ["I/O", (step) => step.io_source],
  ];
  return columns
    .map(([name, source]) => [name, [...new Set(steps.map(source).filter(Boolean))].join(", ")] as const)
    .filter(([, sources]) => sources !== "")
    .map(([name, sources]) => `${name}: ${sources}`)
    .join(" · ");
}
