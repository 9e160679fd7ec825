// Which tone (colour and shape) a word of the server's has. A word without a
// tone of its own is still shown, plainly.

export type Tone = "active" | "good" | "bad" | "warn" | "quiet" | "waiting";

const STATE_TONES: Record<string, Tone> = {
  PENDING: "waiting",
  RUNNING: "active",
  COMPLETED: "good",
  FAILED: "bad",
  LOST: "warn",
  CANCELLED: "quiet",
  SKIPPED: "quiet",
};

const SEVERITY_TONES: Record<string, Tone> = {
  info: "active",
  warning: "warn",
  error: "bad",
  critical: "bad",
  emergency: "bad",
};

export function stateTone(state: string): Tone {
  return STATE_TONES[state] ?? "quiet";
}

export function severityTone(severity: string): Tone {
  return SEVERITY_TONES[severity] ?? "quiet";
}

const ALERT_STATES: Record<string, string> = { nodata: "no data" };

export function alertStateText(state: string): string {
  return ALERT_STATES[state] ?? state;
}
