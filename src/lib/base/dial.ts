/**
 * One TCP connection to a place: to whichever address of its name answers first. Node's own way (`autoSelectFamily`) gives up an address after a quarter of a
 * second; here the earlier ones go on while the next is tried.
 */
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import type { Clock } from './clock.js';
import type { Place } from './proxy.js';
import { raceWithHeadStart } from './head-start.js';

/** A name with more addresses than this is not of one daemon. */
const MAX_ADDRESSES = 8;

export interface DialOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Rejects with what the system says of the first address, or with the signal's reason. */
export function dialTcp(place: Place, options: DialOptions): Promise<Socket> {
  return dialEach(place, options, (socket) => Promise.resolve(socket));
}

/** `finish` makes of a connection what is wanted; the first address for which that succeeds wins, the others are closed. */
export async function dialEach<T extends Socket>(
  { host, port }: Place,
  { clock, signal }: DialOptions,
  finish: (socket: Socket, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const addresses = await addressesOf(host, signal);
  const tries = addresses.map((address) => async (own: AbortSignal) => {
    const socket = await connected(address, port, own);
    try {
      return await finish(socket, own);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  });
  return raceWithHeadStart(tries, { clock, signal, discard: (late) => late.destroy() });
}

/**
 * Where a name leads, an address to itself. Both families in turn, beginning with the one that the system prefers (RFC 8305, section 4). Rejects with what the
 * resolver says, or the signal's reason.
 */
export async function addressesOf(name: string, signal: AbortSignal): Promise<string[]> {
  if (isIP(name) !== 0) return [name];
  const found = await until(lookup(name, { all: true, verbatim: true }), signal);
  const first = found.filter(({ family }) => family === found[0]?.family);
  const other = found.filter(({ family }) => family !== found[0]?.family);
  const mixed = first.flatMap((each, index) => [each, ...other.slice(index, index + 1)]);
  return [...mixed, ...other.slice(first.length)].slice(0, MAX_ADDRESSES).map(({ address }) => address);
}

/** A resolver that does not answer cannot be stopped, only left. */
function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function connected(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true });
    const settle = (error?: Error) => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', settle);
      if (error === undefined) return resolve(socket);
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const onAbort = () => settle((signal.reason as Error | undefined) ?? new Error('given up'));
    socket.once('error', settle).once('connect', () => settle());
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
