/**
 * How late the event loop of the daemon is and how much memory it has, measured while somebody asks and never otherwise: a daemon that is not asked pays
 * nothing, one that is asked a timer of five milliseconds for a quarter of a second. Two who ask at once measure each for themselves.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { sleep, type Clock } from '../base/clock.js';

export interface Vitals {
  readonly eventLoop: {
    readonly measuredMs: number;
    /** How much later than it should a timer ran: half of them, all but one in a hundred, the worst. */
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
  readonly memory: {
    /** Of the whole process. */
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    /** Where V8 ends the process. */
    readonly heapLimitBytes: number;
  };
}

/** Fifty looks: enough to see a loop that is late again and again, and short enough for a person who waits. */
const MEASURE_MS = 250;
const RESOLUTION_MS = 5;
const NS_PER_MS = 1e6;

/** Takes a quarter of a second, longer when the loop is held up. Rejects with the signal's reason. */
export async function measureVitals(clock: Clock, signal: AbortSignal): Promise<Vitals> {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const since = clock.monotonic();
  histogram.enable();
  try {
    await sleep(clock, MEASURE_MS, signal);
  } finally {
    histogram.disable();
  }
  const measuredMs = Math.round(clock.monotonic() - since);
  const { rss, heapUsed } = process.memoryUsage();
  // The histogram has the time from one look to the next, which is the resolution when nothing is late.
  const lateMs = (ns: number) => (histogram.count === 0 ? 0 : Math.max(0, Math.round(ns / NS_PER_MS - RESOLUTION_MS)));
  // The wait is a look too, and the only one of a loop that stood still all the time. Of fifty the worst is all but one in a hundred.
  const waitLateMs = Math.max(0, measuredMs - MEASURE_MS);
  return {
    eventLoop: {
      measuredMs,
      p50Ms: histogram.count === 0 ? waitLateMs : lateMs(histogram.percentile(50)),
      p99Ms: Math.max(lateMs(histogram.percentile(99)), waitLateMs),
      maxMs: Math.max(lateMs(histogram.max), waitLateMs),
    },
    memory: {
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      heapLimitBytes: getHeapStatistics().heap_size_limit,
    },
  };
}
