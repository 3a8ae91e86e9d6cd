/** Is the daemon late with everything, and is it larger than it should be. Both are warnings: it works, and somebody should look before it does not. */
import { PalyraError } from '../../base/errors.js';
import type { RouteAnswer } from '../../wire/http/schemas.js';
import type { DaemonStatus } from '../daemon-report.js';
import type { Check, Finding } from '../doctor/check.js';

export type DaemonVitals = RouteAnswer<'daemon.vitals'>['vitals'];

export interface VitalsFacts {
  readonly status: DaemonStatus;
  /** The same measurement whenever it is asked. */
  readonly vitals: () => Promise<DaemonVitals>;
}

/** Heartbeats, offers and answers wait behind each other: what is later than this is felt by everybody. */
const LATE_LOOP_MS = 250;
/** A daemon without nodes has well under a hundred; half as much again for what it does. */
const EMPTY_BYTES = 150e6;
/** Of a link: TLS, HTTP/2 and its buffers. */
const NODE_BYTES = 110_000;
/** More, when the link goes over QUIC: with that a thousand nodes have 300 MB. */
const QUIC_BYTES = 40_000;
/** Fuller than this, the collector of V8 works more and more and finds less and less. */
const FULL_HEAP = 0.8;
/** A measurement takes a quarter of a second; a loop that is late makes it longer. */
const MEASURED_WITHIN_MS = 20_000;

const RESTART =
  'palyra daemon restart makes it small again and loses nothing; if it grows again, look in palyra daemon logs';

export function vitalsChecks(facts: VitalsFacts): Check[] {
  const check = (id: string, judge: (vitals: DaemonVitals) => Finding): Check => ({
    id,
    timeoutMs: MEASURED_WITHIN_MS,
    run: () => facts.vitals().then(judge, notMeasured),
  });
  return [
    check('daemon.loop', ({ eventLoop }) => loopFinding(eventLoop)),
    check('daemon.memory', ({ memory }) => memoryFinding(memory, facts.status)),
  ];
}

export function loopFinding({ measuredMs, p99Ms, maxMs }: DaemonVitals['eventLoop']): Finding {
  const detail = `its event loop was at most ${maxMs} ms late within ${measuredMs} ms`;
  if (p99Ms <= LATE_LOOP_MS) return { status: 'pass', detail };
  return {
    status: 'warn',
    detail: `${detail}, with ${p99Ms} ms at the 99th percentile; over ${LATE_LOOP_MS} ms everybody waits`,
    fix: 'The machine is busy, or one core is too little for what the daemon is asked: look what else runs on it',
  };
}

export function memoryFinding(memory: DaemonVitals['memory'], { nodes, quic }: DaemonStatus): Finding {
  const { rssBytes, heapUsedBytes, heapLimitBytes } = memory;
  const links = nodes.online + nodes.late;
  const expected = EMPTY_BYTES + NODE_BYTES * links + QUIC_BYTES * quic.connections;
  const heap = `its heap ${megabytes(heapUsedBytes)} of ${megabytes(heapLimitBytes)}`;
  if (heapUsedBytes > FULL_HEAP * heapLimitBytes)
    return {
      status: 'warn',
      detail: `the daemon uses ${megabytes(rssBytes)}, ${heap}: it ends when that is full`,
      fix: RESTART,
    };
  if (rssBytes > expected)
    return {
      status: 'warn',
      detail: `the daemon uses ${megabytes(rssBytes)}, ${heap}; with ${links} connected it should need at most ${megabytes(expected)}`,
      fix: RESTART,
    };
  return { status: 'pass', detail: `the daemon uses ${megabytes(rssBytes)}, ${heap}` };
}

/** The daemon is of an older version than this command until it is restarted. */
function notMeasured(error: unknown): Finding {
  if (PalyraError.from(error).reason !== 'ROUTE_NOT_FOUND') throw error;
  return { status: 'skip', detail: 'the daemon that runs is an older palyra, which does not measure it' };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
