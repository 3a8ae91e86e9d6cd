/** One request to the public port of a node's daemon, trusted by the authority the node was paired with: does it answer, how fast, and what time is it there. */
import { request } from 'node:https';
import type { PairingFacts } from './pairing-facts.js';

export interface RemoteAnswer {
  readonly status: number;
  readonly roundTripMs: number;
  /** Its clock, to the second; null when it does not say. */
  readonly time: number | null;
  /** Ours in the middle of the request. */
  readonly ourTime: number;
}

/** Rejects with the error of the network or of TLS. */
export function askDaemon({ publicEndpoint, trustBundle }: PairingFacts, signal: AbortSignal): Promise<RemoteAnswer> {
  return new Promise((resolve, reject) => {
    let sentAt = performance.now();
    const call = request(`${publicEndpoint}/healthz`, { ca: [...trustBundle], agent: false, signal });
    // The round trip is that of the request, not of the connection before it.
    call.once('socket', (socket) => socket.once('secureConnect', () => (sentAt = performance.now())));
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
