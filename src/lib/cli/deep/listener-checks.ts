/**
 * Does every door the daemon says it has really open from this machine: TLS with the certificate of its CA on the ports of nodes and clients, HTTP on the
 * console, QUIC over UDP. Nothing is said but a handshake and `GET /healthz`; no credential is shown.
 */
import { connect, type Socket } from 'node:net';
import { PalyraError } from '../../base/errors.js';
import { toAuthority, type Place } from '../../base/proxy.js';
import { reachDetail } from '../../client/reach.js';
import { dialTls } from '../../client/tls-dial.js';
import { hostOf } from '../addresses.js';
import { urlsOf, type DaemonStatus } from '../daemon-report.js';
import type { Check, Finding } from '../doctor/check.js';
import { askHealth } from '../doctor/remote-daemon.js';
import { probeQuic, type ProbeDeps } from './quic-probe.js';

export interface ListenerFacts extends ProbeDeps {
  readonly status: DaemonStatus;
  /** PEM; nothing else is trusted. */
  readonly ca: string;
}

/** For one address: what was seen there. Throws what was wrong. */
type Knock = (place: Place, signal: AbortSignal) => Promise<void>;

/** The limit of a check is 2 s. */
const DIAL_WITHIN_MS = 1_500;
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
const FIX = 'See why in palyra daemon logs; palyra daemon restart opens it again';

export function listenerChecks(facts: ListenerFacts): Check[] {
  const { status, ca } = facts;
  const dial = (place: Place, alpn: string, signal: AbortSignal) =>
    dialTls({ ...place, alpn: [alpn], timeoutMs: DIAL_WITHIN_MS, signal }, { ca });
  return [
    check('daemon.public', status, 'public', async (place, signal) => {
      await assertHealthy(await dial(place, 'http/1.1', signal), place, signal);
    }),
    check('daemon.nodes', status, 'node-rpc', async (place, signal) => {
      const socket = await dial(place, 'h2', signal);
      // It asks for the certificate of a node, which we have none of.
      socket.on('error', () => undefined).destroy();
    }),
    check('daemon.console', status, 'console', async (place, signal) => {
      await assertHealthy(connect(place), place, signal);
    }),
    { id: 'daemon.quic', run: (signal) => quicFinding(facts, signal) },
  ];
}

function check(
  id: string,
  status: DaemonStatus,
  purpose: DaemonStatus['listen'][number]['purpose'],
  knock: Knock,
): Check {
  const words = { 'daemon.public': 'clients', 'daemon.nodes': 'nodes', 'daemon.console': 'the console' }[id];
  return {
    id,
    async run(signal) {
      const places = urlsOf(status, purpose).map(placeOfUrl);
      if (places.length === 0) return { status: 'skip', detail: `the daemon has no port for ${words}` };
      const problems = await Promise.all(
        places.map((place) =>
          knock(place, signal).then(
            () => null,
            (error: unknown) => `${toAuthority(place)} (${wordsOf(error)})`,
          ),
        ),
      );
      const bad = problems.filter((problem) => problem !== null);
      if (bad.length > 0)
        return { status: 'fail', detail: `the port for ${words} is not well at ${bad.join(', ')}`, fix: FIX };
      return { status: 'pass', detail: `the port for ${words} answers at ${places.map(toAuthority).join(', ')}` };
    },
  };
}

async function quicFinding({ status, ...deps }: ListenerFacts, signal: AbortSignal): Promise<Finding> {
  const { state, why } = status.quic;
  if (state === 'off') return { status: 'skip', detail: `QUIC is off: ${why ?? 'it is not served'}` };
  if (why !== null)
    return { status: 'warn', detail: `QUIC is not served everywhere: ${why}`, fix: 'Links go over TCP there' };
  const places = urlsOf(status, 'node-rpc').map(placeOfUrl);
  const silent: Place[] = [];
  await Promise.all(
    places.map(async (place) => {
      if ((await probeQuic(place, deps, signal).catch(() => null)) === null) silent.push(place);
    }),
  );
  if (silent.length > 0)
    return {
      status: 'fail',
      detail: `QUIC does not answer over UDP at ${silent.map(toAuthority).join(', ')}; links go over TCP instead`,
      fix: FIX,
    };
  return { status: 'pass', detail: `QUIC answers over UDP at ${places.map(toAuthority).join(', ')}` };
}

async function assertHealthy(socket: Socket, place: Place, signal: AbortSignal): Promise<void> {
  const { status } = await askHealth(socket, place, signal);
  if (status !== 200) throw new PalyraError('ANSWER_INVALID', { detail: `it answers with HTTP ${status}` });
}

/** All addresses of the machine are reached at the one that every machine has. */
function placeOfUrl(url: string): Place {
  const host = hostOf(url);
  const { port, protocol } = new URL(url);
  return { host: LOOPBACK[host] ?? host, port: port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port) };
}

function wordsOf(error: unknown): string {
  return error instanceof PalyraError ? (error.detail ?? error.title) : reachDetail(error);
}
