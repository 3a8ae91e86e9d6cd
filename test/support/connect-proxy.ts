/**
 * A real HTTP proxy that does nothing but CONNECT, and knows names that resolve nowhere. Counts what passes; can want a password, refuse, hang or talk
 * nonsense.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';

export type Mood = 'tunnel' | 'hang' | 'rubbish' | 'forbid' | 'cannot';

export class ConnectProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** `user:password` that is wanted. */
  login: string | null = null;
  mood: Mood = 'tunnel';
  /** Names that only the proxy knows, with where they lead. */
  readonly names = new Map<string, string>();
  /** Authorities of every tunnel that was opened. */
  readonly tunnels: string[] = [];
  /** What was asked for and not given. */
  readonly refused: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    });
    server.on('connect', (request: IncomingMessage, socket: Socket) => this.#connect(request, socket));
  }

  static async start(
    options: { readonly tls?: { key: string; cert: string }; host?: string } = {},
  ): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(options.tls === undefined ? createServer() : createSecure(options.tls));
    proxy.#server.listen(0, options.host ?? '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts everything that is open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #connect(request: IncomingMessage, socket: Socket): void {
    const authority = request.url ?? '';
    socket.on('error', () => undefined);
    const refuse = (status: string) => {
      this.refused.push(`${status} ${authority}`);
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
    };
    if (this.mood === 'hang') return;
    if (this.mood === 'rubbish') {
      socket.end('220 mail.example ESMTP\r\n');
      return;
    }
    if (this.mood === 'forbid') return refuse('403 Forbidden');
    if (this.mood === 'cannot') return refuse('502 Bad Gateway');
    const wanted = this.login === null ? null : `Basic ${Buffer.from(this.login).toString('base64')}`;
    if (wanted !== null && request.headers['proxy-authorization'] !== wanted)
      return refuse('407 Proxy Authentication Required');
    const { hostname, port } = new URL(`http://${authority}`);
    const host = this.names.get(hostname) ?? hostname.replace(/^\[|\]$/g, '');
    let connected = false;
    const onward = connect(Number(port === '' ? 80 : port), host, () => {
      connected = true;
      this.tunnels.push(authority);
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    this.#sockets.add(onward);
    onward.on('error', () => (connected ? socket.destroy() : refuse('502 Bad Gateway')));
    onward.on('close', () => {
      this.#sockets.delete(onward);
      if (connected) socket.destroy();
    });
    socket.on('close', () => onward.destroy());
  }
}
