/**
 * Ends a node that is stuck, so that its supervisor starts it again: an event loop that does not turn, or a link that counts as up and on which nothing
 * is answered any more. Nothing inside a blocked process can do that, so a second thread counts how often the first one turned.
 *
 * Both count turns of their own, not time: a process that was stopped or a machine that slept comes back with both standing where they stood.
 * A blocked thread cannot choose its exit code: it is ended by SIGKILL. A deaf link ends with exit code 1.
 */
import { Worker } from 'node:worker_threads';

/** Longer than any pause a healthy node makes, and than the minute after which a silent link is given up. */
export const STUCK_MS = 120_000;
const TURNS = 24;

export interface Pulse {
  /** A link that counts as up. */
  readonly online: boolean;
  /** Answers of the daemon so far. */
  readonly beats: number;
}

export interface WatchdogOptions {
  readonly stuckMs?: number;
  readonly pulse: () => Pulse | null;
  /** Nothing is answered on a link that counts as up. */
  readonly onDeaf: () => void;
}

/** Plain JavaScript, because it runs without a loader. */
const SECOND_THREAD = `
const { workerData, parentPort } = require('node:worker_threads');
const turns = new Int32Array(workerData.shared);
let seen = -1;
let still = 0;
setInterval(() => {
  const now = Atomics.load(turns, 0);
  still = now === seen ? still + 1 : 0;
  seen = now;
  if (still >= workerData.limit) process.kill(process.pid, 'SIGKILL');
}, workerData.everyMs);
`;

/** Returns what ends it. */
export function startWatchdog({ stuckMs = STUCK_MS, pulse, onDeaf }: WatchdogOptions): () => void {
  const everyMs = Math.max(1, stuckMs / TURNS);
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const turns = new Int32Array(shared);
  const worker = new Worker(SECOND_THREAD, { eval: true, workerData: { shared, everyMs, limit: TURNS } });
  // Without a second thread the node runs on as it would without this.
  worker.on('error', () => undefined);
  worker.unref();
  let beats = -1;
  let silent = 0;
  const timer = setInterval(() => {
    Atomics.add(turns, 0, 1);
    const now = pulse();
    silent = now !== null && now.online && now.beats === beats ? silent + 1 : 0;
    beats = now?.beats ?? -1;
    if (silent < TURNS) return;
    silent = 0;
    onDeaf();
  }, everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    void worker.terminate();
  };
}
