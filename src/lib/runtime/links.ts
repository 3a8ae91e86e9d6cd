/**
 * The open links of the nodes: one each. A newer link of a device takes over from the older one, which is told. Who is heard, and when, is memory only:
 * a heartbeat writes nothing.
 */
import type { DownMessage } from '../base/link-messages.js';
import type { LinkTransport } from '../base/transports.js';
import type { Rival } from './clones.js';

/** Where messages for a node go; implemented by the carriers (gRPC stream, long poll, QUIC). */
export interface LinkSink {
  readonly transport: LinkTransport;
  /** Of a carrier that outlives its connections: since when there is none, monotonic milliseconds; null while there is one. */
  readonly uncarriedSince?: number | null;
  /** Queues a message. Must not throw; a link that cannot take it closes itself. */
  send(message: DownMessage): void;
  /** Ends the link after what was sent. */
  close(reason: 'superseded' | 'revoked' | 'daemon-stopped' | 'protocol'): void;
}

export interface OpenLink {
  readonly nodeId: string;
  readonly epoch: number;
  readonly bootId: string;
  readonly storeId: string;
  readonly sink: LinkSink;
  readonly address: string;
  readonly uncarriedSince?: number | null;
  /** How often its node was asked to beat: its silence is measured in these. */
  readonly heartbeatMs: number;
  /** Monotonic milliseconds. */
  lastHeardAt: number;
  saidGoodbye: boolean;
  /** Another machine that says it is this one. */
  rival: Rival | null;
}

export class Links {
  readonly #byNode = new Map<string, OpenLink>();

  get size(): number {
    return this.#byNode.size;
  }

  get(nodeId: string): OpenLink | null {
    return this.#byNode.get(nodeId) ?? null;
  }

  all(): IterableIterator<OpenLink> {
    return this.#byNode.values();
  }

  /** What was said in that time may still be unread: it does not count as silence. Both monotonic milliseconds. */
  pardon(forMs: number, now: number): void {
    for (const link of this.#byNode.values()) link.lastHeardAt = Math.min(now, link.lastHeardAt + forMs);
  }

  /** Makes `link` the node's link and ends the one before. */
  take(link: OpenLink): void {
    const older = this.#byNode.get(link.nodeId);
    this.#byNode.set(link.nodeId, link);
    if (older === undefined) return;
    older.sink.send({ kind: 'superseded', bootId: link.bootId });
    older.sink.close('superseded');
  }

  /** Forgets the link if it is still the node's; false when a newer one took over. */
  release(link: OpenLink): boolean {
    if (this.#byNode.get(link.nodeId) !== link) return false;
    return this.#byNode.delete(link.nodeId);
  }

  /** Ends every link, e.g. when the daemon stops. */
  closeAll(reason: 'daemon-stopped' | 'protocol'): void {
    const links = [...this.#byNode.values()];
    this.#byNode.clear();
    for (const link of links) link.sink.close(reason);
  }
}
