/** A UDP path that does what bad paths do: loses, delays, reorders, goes dark. Each client has a socket of its own towards the target, as behind a NAT. */
import { createSocket, type Socket } from 'node:dgram';
import { systemRandom } from '../../src/lib/base/random.js';

export interface PathQuality {
  /** Nothing passes. */
  dark: boolean;
  /** Nothing passes towards the target, or from it. */
  darkUp: boolean;
  darkDown: boolean;
  /** 0 to 1. */
  loss: number;
  delayMs: number;
  /** Share that is held back three more delays, so that later ones overtake it. */
  reorder: number;
}

export class UdpProxy {
  readonly quality: PathQuality = { dark: false, darkUp: false, darkDown: false, loss: 0, delayMs: 0, reorder: 0 };
  readonly counts = { up: 0, down: 0, upBytes: 0, downBytes: 0, dropped: 0 };
  readonly #front: Socket;
  readonly #targetPort: number;
  readonly #random: () => number;
  readonly #back = new Map<string, Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;

  private constructor(targetPort: number, front: Socket, random: () => number) {
    this.#targetPort = targetPort;
    this.#front = front;
    this.#random = random;
    front.on('message', (bytes, { address, port }) => {
      this.counts.up += 1;
      this.counts.upBytes += bytes.length;
      const back = this.#towardsTarget(address, port);
      this.#carry(this.quality.darkUp, () => back.send(bytes, this.#targetPort, '127.0.0.1'));
    });
  }

  /** `port`: the number to listen on, e.g. that of a TCP proxy. */
  static async start(
    targetPort: number,
    options: { port?: number; host?: string; random?: () => number } = {},
  ): Promise<UdpProxy> {
    const front = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      front.once('error', reject);
      front.bind(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
    });
    return new UdpProxy(targetPort, front, options.random ?? (() => systemRandom.fraction()));
  }

  get port(): number {
    return this.#front.address().port;
  }

  /** Clients that were seen. */
  get clients(): number {
    return this.#back.size;
  }

  /** The clients have other addresses from now on, as when a NAT forgets; what is sent to the old ones is lost. */
  rebind(): void {
    for (const socket of this.#back.values()) socket.close();
    this.#back.clear();
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#back.values()) socket.close();
    this.#front.close();
  }

  #towardsTarget(address: string, port: number): Socket {
    const key = `${address} ${port}`;
    const known = this.#back.get(key);
    if (known !== undefined) return known;
    const back = createSocket('udp4');
    back.on('error', () => undefined);
    back.on('message', (bytes) => {
      this.counts.down += 1;
      this.counts.downBytes += bytes.length;
      this.#carry(this.quality.darkDown, () => this.#front.send(bytes, port, address));
    });
    this.#back.set(key, back);
    return back;
  }

  #carry(darkWay: boolean, send: () => void): void {
    const { dark, loss, delayMs, reorder } = this.quality;
    if (dark || darkWay || this.#random() < loss) {
      this.counts.dropped += 1;
      return;
    }
    if (delayMs === 0) {
      send();
      return;
    }
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        if (!this.#closed) send();
      },
      delayMs * (this.#random() < reorder ? 4 : 1),
    );
    this.#timers.add(timer);
  }
}
