/** A TCP proxy that cuts connections, as some networks do: each after a time of its own, both ways at once and without a word. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { freePorts } from './free-ports.js';

export class CuttingProxy {
  /** Connections so far. */
  accepted = 0;
  /** Milliseconds that the next connections live; null: until their ends do. */
  lifeMs: () => number | null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(targetPort: number, lifeMs: () => number | null) {
    this.lifeMs = lifeMs;
    this.#server = createServer((near) => {
      this.accepted += 1;
      const far = connect(targetPort, '127.0.0.1');
      const cut = () => {
        clearTimeout(timer);
        near.destroy();
        far.destroy();
      };
      const life = this.lifeMs();
      const timer = life === null ? undefined : setTimeout(cut, life);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', cut);
        socket.once('close', () => {
          this.#sockets.delete(socket);
          cut();
        });
      }
      near.pipe(far).pipe(near);
    });
  }

  static async start(
    targetPort: number,
    options: { lifeMs?: () => number | null; port?: number } = {},
  ): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort, options.lifeMs ?? (() => null));
    const port = options.port ?? (await freePorts(1))[0];
    await new Promise<void>((resolve) => proxy.#server.listen(port, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Cuts what is open now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}
