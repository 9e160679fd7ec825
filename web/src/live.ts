// The connection to the server: opens it, notices when it is gone or silent,
// and opens it again. Clock and connection are arguments, so tests own both.

import { EVENT_NAMES, parseEvent, type ServerEvent } from "./wire";

export const RETRY_MSEC = [1_000, 2_000, 4_000, 8_000];
/** Frames come every second; a server that says nothing for this long is not there. */
export const SILENCE_MSEC_MIN = 10_000;
const SILENCE_INTERVALS = 4;

/** The part of EventSource that is used here. */
export interface Source {
  onerror: ((event: Event) => unknown) | null;
  addEventListener(name: string, listener: (event: { data: string }) => void): void;
  close(): void;
}

export interface LiveOptions {
  open: () => Source;
  onEvent: (event: ServerEvent) => void;
  onLost: () => void;
}

/** Starts now; the function that comes back ends it. */
export function startLive({ open, onEvent, onLost }: LiveOptions): () => void {
  let source: Source | null = null;
  let retries = 0;
  let silenceMsec = SILENCE_MSEC_MIN;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function connect(): void {
    const opened = open();
    source = opened;
    opened.onerror = () => {
      if (source === opened) reconnect();
    };
    for (const name of EVENT_NAMES) {
      opened.addEventListener(name, ({ data }) => {
        if (source === opened) receive(parseEvent(name, data));
      });
    }
    watchSilence();
  }

  function receive(event: ServerEvent): void {
    if (event.kind === "snapshot") retries = 0;
    if (event.kind === "frame") silenceMsec = silenceLimit(event.frame.interval_usec);
    watchSilence();
    onEvent(event);
    if (event.kind === "lag") reconnect();
  }

  function watchSilence(): void {
    clearTimeout(timer);
    timer = setTimeout(reconnect, silenceMsec);
  }

  function reconnect(): void {
    source?.close();
    source = null;
    onLost();
    clearTimeout(timer);
    timer = setTimeout(connect, RETRY_MSEC[Math.min(retries, RETRY_MSEC.length - 1)]);
    retries += 1;
  }

  connect();
  return () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
}

function silenceLimit(intervalUsec: number | undefined): number {
  return Math.max(SILENCE_MSEC_MIN, ((intervalUsec ?? 0) / 1000) * SILENCE_INTERVALS);
}
