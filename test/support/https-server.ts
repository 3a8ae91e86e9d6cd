/** A small real HTTPS server with a CA of its own, which shows leaf and CA as a daemon does. Counts what arrives. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { systemRandom } from '../../src/lib/base/random.js';
import { Authority, createAuthority } from '../../src/lib/identity/authority.js';
import { CONTRACT, CONTRACT_HEADER } from '../../src/lib/wire/http/routes.js';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Answerer = (seen: Seen, response: ServerResponse) => void;

export function newAuthority(name = 'test'): Authority {
  return new Authority(createAuthority({ now: Date.now(), random: systemRandom, name }));
}

export class HttpsServer {
  readonly authority: Authority;
  readonly seen: Seen[] = [];
  answer: Answerer = (_seen, response) => void response.end();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(authority: Authority, hosts: readonly string[]) {
    this.authority = authority;
    const leaf = authority.issueServer({ hosts, now: Date.now(), random: systemRandom });
    this.#server = createServer(
      { key: leaf.keyPem, cert: leaf.certificatePem + authority.certificatePem },
      (request, response) => {
        let body = '';
        request.on('data', (part: Buffer) => (body += part.toString()));
        request.on('end', () => {
          const seen = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
          this.seen.push(seen);
          this.answer(seen, response);
        });
      },
    );
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(
    options: { authority?: Authority; hosts?: readonly string[]; port?: number } = {},
  ): Promise<HttpsServer> {
    const server = new HttpsServer(
      options.authority ?? newAuthority(),
      options.hosts ?? ['localhost', '127.0.0.1', '::1'],
    );
    server.#server.listen(options.port ?? 0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** As a daemon answers. */
export function json(response: ServerResponse, body: unknown, more: { status?: number; headers?: object } = {}): void {
  const status = more.status ?? 200;
  response
    .writeHead(status, {
      'content-type': status < 400 ? 'application/json' : 'application/problem+json',
      [CONTRACT_HEADER]: `${CONTRACT}`,
      ...more.headers,
    })
    .end(JSON.stringify(body));
}
