/**
 * One TLS connection to a daemon, straight or through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6). Loaded for daemons behind a URL only.
 * Sends nothing of ours: what travels over the connection is its caller's business.
 */
import { request as plainRequest, type IncomingMessage } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { PalyraError } from '../base/errors.js';

export interface DialTarget {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** `http://user:password@proxy:3128`, or https. */
  readonly proxy?: string | undefined;
  /** Until the connection is secure. Milliseconds. */
  readonly timeoutMs: number;
  /** Gives up. */
  readonly signal?: AbortSignal | undefined;
}

export type DialTrust = Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized' | 'checkServerIdentity'>;

/** Rejects with what the system says, or with DAEMON_UNREACHABLE when the time is over, the proxy refuses or the signal aborts. */
export async function dialTls(target: DialTarget, trust: DialTrust): Promise<TLSSocket> {
  const deadline = AbortSignal.timeout(target.timeoutMs);
  const signal = target.signal === undefined ? deadline : AbortSignal.any([deadline, target.signal]);
  const raw =
    target.proxy === undefined ? await openStraight(target, signal) : await openTunnel(target, target.proxy, signal);
  const { host } = target;
  // The host is named here although the socket is given: it is what the certificate is compared with. Addresses are no server names (RFC 6066).
  const socket = connectTls({
    ...trust,
    socket: raw,
    host,
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
  });
  raw.on('error', (error) => socket.destroy(error));
  await opened(socket, 'secureConnect', signal);
  return socket;
}

/** All addresses of a name are tried side by side (RFC 8305). */
async function openStraight({ host, port }: DialTarget, signal: AbortSignal): Promise<Socket> {
  const socket = connectPlain({ host, port, noDelay: true });
  await opened(socket, 'connect', signal);
  return socket;
}

function opened(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
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
      .once(event, () => settle());
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function openTunnel(target: DialTarget, proxy: string, signal: AbortSignal): Promise<Socket> {
  const { hostname, port, protocol, username, password } = new URL(proxy);
  const authority = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const refused = (detail: string, cause?: unknown) => new PalyraError('DAEMON_UNREACHABLE', { detail, cause });
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? secureRequest : plainRequest)({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      method: 'CONNECT',
      path: authority,
      agent: false,
      signal,
      headers: {
        host: authority,
        ...(username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
    });
    request.once('error', (error) => reject(refused(`the proxy ${hostname} cannot be reached`, error)));
    request.once('response', (response) => {
      response.destroy();
      reject(refused(`the proxy ${hostname} answered with HTTP status ${response.statusCode}`));
    });
    request.once('connect', (response: IncomingMessage, socket: Socket, head: Buffer) => {
      if (response.statusCode === 200 && head.length === 0) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(refused(`the proxy ${hostname} answered with HTTP status ${response.statusCode}`));
    });
    request.end();
  });
}
