/**
 * One TLS connection to a daemon, straight or through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6). Loaded for daemons behind a URL only.
 * Sends nothing of ours: what travels over the connection is its caller's business.
 */
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { systemClock } from '../base/clock.js';
import { dialEach, dialTcp } from '../base/dial.js';
import { PalyraError } from '../base/errors.js';
import { Proxy } from '../base/proxy.js';
import { openTunnel, proxyUnreachable } from '../base/tunnel.js';
import { reachDetail } from './reach.js';

export interface DialTarget {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** `http://user:password@proxy:3128`, or https. */
  readonly proxy?: string | undefined;
  /** Until the connection is secure. Milliseconds. */
  readonly timeoutMs: number;
  /** What is spoken over it; default: HTTP/1.1. */
  readonly alpn?: readonly string[] | undefined;
  /** Gives up. */
  readonly signal?: AbortSignal | undefined;
}

export type DialTrust = Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized' | 'checkServerIdentity'>;

/** Rejects with what the system says, PROXY_*, or DAEMON_UNREACHABLE when the time is over or the signal aborts. */
export async function dialTls(target: DialTarget, trust: DialTrust): Promise<TLSSocket> {
  const deadline = AbortSignal.timeout(target.timeoutMs);
  const signal = target.signal === undefined ? deadline : AbortSignal.any([deadline, target.signal]);
  const dialing = { clock: systemClock, signal };
  try {
    if (target.proxy === undefined)
      return await dialEach(target, dialing, (raw, own) => secured(raw, target, trust, own));
    const proxy = new Proxy(target.proxy);
    const raw = await dialTcp(proxy, dialing).catch((error: unknown) => {
      signal.throwIfAborted();
      throw proxyUnreachable(proxy, reachDetail(error), error);
    });
    return await secured(await openTunnel(raw, proxy, target, signal), target, trust, signal);
  } catch (error) {
    if (signal.aborted)
      throw new PalyraError('DAEMON_UNREACHABLE', { detail: 'the connection timed out', cause: error });
    throw error;
  }
}

async function secured(
  raw: Socket,
  { host, alpn }: DialTarget,
  trust: DialTrust,
  signal: AbortSignal,
): Promise<TLSSocket> {
  // The host is named here although the socket is given: it is what the certificate is compared with. Addresses are no server names (RFC 6066).
  const socket = connectTls({
    ...trust,
    socket: raw,
    host,
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: [...(alpn ?? ['http/1.1'])],
    minVersion: 'TLSv1.2',
  });
  raw.on('error', (error) => socket.destroy(error));
  await opened(socket, signal);
  return socket;
}

function opened(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', settle);
      socket.removeListener('close', onClose);
      if (error === undefined) return resolve();
      // What still goes wrong with it is nobody's business any more.
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const unreachable = (detail: string) => settle(new PalyraError('DAEMON_UNREACHABLE', { detail }));
    const onAbort = () => unreachable('the connection timed out');
    const onClose = () => unreachable('the connection was cut before it was secure');
    socket
      .once('error', settle)
      .once('close', onClose)
      .once('secureConnect', () => settle());
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
