/** A network in memory between datagram ports: it drops, duplicates, reorders and delays, from a seed. Real time, because quiche has its own clock. */
import type { DatagramListener, DatagramPort } from '../../src/lib/quic/datagram-port.js';
import type { HostPort } from '../../src/lib/quic/native.js';

export interface WireRules {
  /** Shares of datagrams in [0, 1]. */
  readonly loss?: number;
  readonly duplicate?: number;
  /** These are held back by another delay. */
  readonly reorder?: number;
  readonly delayMs?: number;
}

export class MemoryWire {
  rules: WireRules;
  /** While true nothing arrives. */
  cut = false;
  readonly counts = { sent: 0, lost: 0, duplicated: 0, reordered: 0 };
  readonly #ports = new Map<string, DatagramListener>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #fraction: () => number;
  #nextPort = 40_000;
  /** Sees every datagram before it is sent; may change its bytes. */
  tap: ((bytes: Buffer, from: HostPort, to: HostPort) => void) | null = null;

  constructor(fraction: () => number, rules: WireRules = {}) {
    this.#fraction = fraction;
    this.rules = rules;
  }

  /** `connectedTo` is where everything goes, as with a connected socket. */
  port(): DatagramPort {
    const local = { host: '127.0.0.1', port: this.#nextPort++ };
    const buffer = Buffer.alloc(2048);
    const key = `${local.host}:${local.port}`;
    return {
      local,
      listen: (listener) => void this.#ports.set(key, listener),
      buffer: () => buffer,
      send: (length, to) => this.#send(Buffer.from(buffer.subarray(0, length)), local, to),
      close: () => {
        this.#ports.delete(key);
        return Promise.resolve();
      },
    };
  }

  /** Sends as if from `from`. */
  inject(bytes: Buffer, from: HostPort, to: HostPort): void {
    this.#deliver(Buffer.from(bytes), from, to, 0);
  }

  dispose(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #send(bytes: Buffer, from: HostPort, to: HostPort): void {
    this.counts.sent++;
    this.tap?.(bytes, from, to);
    const { loss = 0, duplicate = 0, reorder = 0, delayMs = 0 } = this.rules;
    if (this.cut || this.#fraction() < loss) {
      this.counts.lost++;
      return;
    }
    let delay = delayMs;
    if (this.#fraction() < reorder) {
      this.counts.reordered++;
      delay += 1 + this.#fraction() * Math.max(5, delayMs);
    }
    this.#deliver(bytes, from, to, delay);
    if (this.#fraction() < duplicate) {
      this.counts.duplicated++;
      this.#deliver(Buffer.from(bytes), from, to, delay + 1);
    }
  }

  #deliver(bytes: Buffer, from: HostPort, to: HostPort, delayMs: number): void {
    const arrive = () => this.#ports.get(`${to.host}:${to.port}`)?.datagram(bytes, from.host, from.port);
    if (delayMs === 0) {
      setImmediate(arrive);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      arrive();
    }, delayMs);
    this.#timers.add(timer);
  }
}
