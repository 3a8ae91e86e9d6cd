/** One request to the public port of a node's daemon, trusted by the authority the node was paired with: does it answer, how fast, and what time is it there. */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { toAuthority, type Place, type ProxySettings } from '../../base/proxy.js';
import { hostOf, portOf } from '../addresses.js';
import { throughProxy } from '../proxy.js';
import type { PairingFacts } from './pairing-facts.js';

/** A check has 2 s; its signal ends it sooner. */
const CONNECT_WITHIN_MS = 5_000;

export interface RemoteAnswer {
  readonly status: number;
  readonly roundTripMs: number;
  /** Its clock, to the second; null when it does not say. */
  readonly time: number | null;
  /** Ours in the middle of the request. */
  readonly ourTime: number;
}

/** Rejects with the error of the network or of TLS. */
export async function askDaemon(
  { publicEndpoint, trustBundle }: PairingFacts,
  settings: ProxySettings,
  signal: AbortSignal,
): Promise<RemoteAnswer> {
  const { dialTls } = await import('../../client/tls-dial.js');
  const place = { host: hostOf(publicEndpoint), port: portOf(publicEndpoint) };
  const socket = await dialTls(
    { ...place, ...throughProxy(publicEndpoint, settings), timeoutMs: CONNECT_WITHIN_MS, signal },
    { ca: [...trustBundle] },
  );
  return askHealth(socket, place, signal);
}

/** One request over a connection of its own, which ends with it. */
export function askHealth(socket: Socket, place: Place, signal: AbortSignal): Promise<RemoteAnswer> {
  return new Promise((resolve, reject) => {
    // The round trip is that of the request, not of the connection before it.
    const sentAt = performance.now();
    const headers = { host: toAuthority(place), connection: 'close' };
    const call = request({ path: '/healthz', headers, createConnection: () => socket, signal });
    call.once('response', (answer) => {
      const roundTripMs = performance.now() - sentAt;
      answer.resume();
      const time = Date.parse(answer.headers.date ?? '');
      resolve({
        status: answer.statusCode ?? 0,
        roundTripMs,
        time: Number.isNaN(time) ? null : time,
        ourTime: Date.now() - roundTripMs / 2,
      });
    });
    call.once('error', reject);
    call.end();
  });
}
