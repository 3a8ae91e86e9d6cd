/**
 * The way through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6) over a connection to the proxy that stands already. What travels through the tunnel
 * afterwards is TLS to the daemon, which the proxy can cut but not read. Names are resolved by the proxy.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PalyraError } from './errors.js';
import { toAuthority, type Place, type Proxy } from './proxy.js';

/** More of an answer's head than this is no answer. */
const MAX_HEAD_BYTES = 16 * 1024;

/**
 * The socket that leads to `place`. Owns the socket it is given: destroyed when this rejects, with PROXY_* or, when it was the proxy that could not reach the
 * daemon, DAEMON_UNREACHABLE; or with the signal's reason.
 */
export async function openTunnel(raw: Socket, proxy: Proxy, place: Place, signal: AbortSignal): Promise<Socket> {
  try {
    return await ask(proxy.secure ? await secured(raw, proxy, signal) : raw, proxy, place, signal);
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

/** The proxy itself was not reached. */
export function proxyUnreachable(proxy: Proxy, what: string, cause?: unknown): PalyraError {
  return new PalyraError('PROXY_UNREACHABLE', { detail: `${proxy.shown}: ${what}`, cause });
}

function secured(raw: Socket, proxy: Proxy, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host } = proxy;
    const socket = connectTls({ socket: raw, host, servername: isIP(host) === 0 ? host : '' });
    const settle = (action: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      socket.removeListener('close', onClose);
      action();
    };
    const fail = (error: Error) =>
      settle(() => {
        socket.on('error', () => undefined).destroy();
        reject(error);
      });
    const onAbort = () => fail(signal.reason as Error);
    const onError = (error: NodeJS.ErrnoException) => {
      const what = /certificate|self.signed|altnames/i.test(error.message)
        ? `its certificate is not trusted here (${error.code ?? error.message})`
        : 'it does not speak TLS';
      fail(proxyUnreachable(proxy, what, error));
    };
    const onClose = () => fail(proxyUnreachable(proxy, 'the connection was cut'));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError).once('close', onClose);
    socket.once('secureConnect', () => settle(() => resolve(socket)));
    if (signal.aborted) onAbort();
  });
}

function ask(socket: Socket, proxy: Proxy, place: Place, signal: AbortSignal): Promise<Socket> {
  const authority = toAuthority(place);
  const authorization = proxy.authorization();
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...(authorization === null ? {} : { 'proxy-authorization': authorization }) },
      createConnection: () => socket,
      setHost: false,
      maxHeaderSize: MAX_HEAD_BYTES,
    });
    let settled = false;
    const settle = (action: () => void) => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', onAbort);
      action();
    };
    const fail = (error: Error) =>
      settle(() => {
        request.on('error', () => undefined).destroy();
        socket.on('error', () => undefined).destroy();
        reject(error);
      });
    const onAbort = () => fail(signal.reason as Error);
    const answered = (response: IncomingMessage) => fail(refusalOf(response.statusCode ?? 0, proxy, authority));
    signal.addEventListener('abort', onAbort, { once: true });
    request.once('error', (error: NodeJS.ErrnoException) => {
      fail(
        error.code?.startsWith('HPE_') === true
          ? new PalyraError('PROXY_ANSWER_INVALID', { detail: proxy.shown, cause: error })
          : proxyUnreachable(proxy, 'the connection was cut', error),
      );
    });
    request.once('response', answered);
    request.once('connect', (response: IncomingMessage, tunnel: Socket, head: Buffer) => {
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) answered(response);
      // The daemon waits for us to speak: whoever speaks first is not it.
      else if (head.length > 0) fail(new PalyraError('PROXY_ANSWER_INVALID', { detail: proxy.shown }));
      else settle(() => resolve(tunnel));
    });
    if (signal.aborted) onAbort();
    else request.end();
  });
}

function refusalOf(status: number, proxy: Proxy, authority: string): PalyraError {
  const said = `${proxy.shown} answered CONNECT ${authority} with HTTP status ${status}`;
  if (status === 407) return new PalyraError('PROXY_LOGIN_REQUIRED', { detail: said });
  if (status === 502 || status === 503 || status === 504) {
    const hint = 'Check the name and the port of the daemon, and that the proxy can reach it';
    return new PalyraError('DAEMON_UNREACHABLE', { detail: `${authority}: the proxy cannot reach it (${said})`, hint });
  }
  return new PalyraError('PROXY_REFUSED', { detail: said });
}
