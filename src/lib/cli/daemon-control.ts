/** What `daemon start`, `stop` and `restart` share: is one running, with which flags, and is it gone. */
import { PalyraError } from '../base/errors.js';
import { sleep, systemClock } from '../base/clock.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { isAlive } from './daemon-process.js';
import { urlsOf, type DaemonStatus } from './daemon-report.js';

export interface StartFlags {
  readonly listen: readonly string[];
  readonly port?: number | undefined;
  readonly 'node-port'?: number | undefined;
  readonly 'console-port'?: number | undefined;
  readonly heartbeat?: number | undefined;
  readonly quic?: boolean | undefined;
}

/** What people are told when `daemon/last-snapshot.ts` says so. */
export const NO_LAST_SNAPSHOT =
  'The daemon could not write its last snapshot. Nothing that was accepted is lost: the next start reads it from the journal. See why: palyra daemon logs';

const LOOK_EVERY_MS = 50;
/** Beyond the drain: closing connections and writing the last snapshot. */
const CLOSING_MS = 15_000;

/** The status of the daemon behind the socket, or null when none runs. */
export async function runningDaemon(client: ControlPlaneClient): Promise<DaemonStatus | null> {
  try {
    return await client.daemonStatus();
  } catch (error) {
    if (PalyraError.from(error).reason === 'DAEMON_NOT_RUNNING') return null;
    throw error;
  }
}

/** The status as soon as a daemon answers behind the socket, or null when none does in time: one that another call is starting. */
export async function awaitRunningDaemon(
  client: ControlPlaneClient,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<DaemonStatus | null> {
  const until = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const status = await runningDaemon(client);
    if (status !== null || systemClock.monotonic() >= until) return status;
    await sleep(systemClock, LOOK_EVERY_MS, signal);
  }
}

/** The flags as words for `daemon run`. */
export function startFlags(flags: StartFlags): string[] {
  const ports = (['port', 'node-port', 'console-port'] as const).flatMap((name) =>
    flags[name] === undefined ? [] : [`--${name}`, `${flags[name]}`],
  );
  const heartbeat = flags.heartbeat === undefined ? [] : ['--heartbeat', `${flags.heartbeat}ms`];
  const quic = flags.quic === undefined ? [] : [flags.quic ? '--quic' : '--no-quic'];
  return [...flags.listen.flatMap((address) => ['--listen', address]), ...ports, ...heartbeat, ...quic];
}

/** What a running daemon must be started with to listen where it does now: paired nodes know these ports. */
export function flagsOfRunning(status: DaemonStatus): StartFlags {
  const urls = (purpose: 'public' | 'node-rpc' | 'console') => urlsOf(status, purpose).map((url) => new URL(url));
  const port = (purpose: 'public' | 'node-rpc' | 'console') => {
    const first = urls(purpose)[0];
    // The URL parser drops the default port of a scheme.
    return first === undefined ? undefined : Number(first.port || (first.protocol === 'http:' ? 80 : 443));
  };
  return {
    listen: [...new Set(urls('public').map((url) => url.hostname.replace(/^\[|\]$/g, '')))],
    port: port('public'),
    'node-port': port('node-rpc'),
    'console-port': port('console'),
  };
}

/** Asks the daemon to stop and waits until its process is gone. Throws DAEMON_STILL_RUNNING when it takes too long, CANCELLED on the signal. */
export async function stopDaemon(
  client: ControlPlaneClient,
  pid: number,
  options: { readonly drainMs: number; readonly signal: AbortSignal; readonly onWaiting: (count: number) => void },
): Promise<void> {
  try {
    const { waitingFor } = await client.stopDaemon(options.drainMs);
    if (waitingFor > 0 && options.drainMs > 0) options.onWaiting(waitingFor);
  } catch (error) {
    // It may be gone before its answer is read.
    if (!['DAEMON_UNREACHABLE', 'DAEMON_NOT_RUNNING', 'DAEMON_STOPPING'].includes(PalyraError.from(error).reason))
      throw error;
  }
  const until = systemClock.monotonic() + options.drainMs + CLOSING_MS;
  while (isAlive(pid)) {
    if (systemClock.monotonic() >= until) throw new PalyraError('DAEMON_STILL_RUNNING', { details: { pid } });
    await sleep(systemClock, LOOK_EVERY_MS, options.signal);
  }
}
