/**
 * Who gets one of the server's connections. Decides and counts; opens, closes and waits for nothing.
 *
 * Handshakes have places of their own, so that unfinished ones never stand in the way of a connection. When those are full the oldest handshake gives way:
 * an honest one is over within a few round trips, one that only wants to hold a place is not, so a flood of half-open handshakes pushes out itself.
 *
 * Always true (test/property/quic-admission.property.ts):
 *   1. Never more than `maxConnections` established at once, nor more than `maxPerDevice` of one device; never more than `maxHandshakes` handshakes, nor
 *      more than `maxHandshakesPerSource` of one source.
 *   2. Unknown devices never hold more than the unreserved part.
 *   3. Every place is given back exactly once, however a connection ends.
 *   4. A handshake is refused for want of a place only when `maxConnections` are established.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { QuicDevice, QuicServerLimits } from './options.js';

/** Why a connection was refused or thrown out; each is counted. */
export const QUIC_REFUSALS = [
  'connection-limit',
  'handshake-evicted',
  'token-forged',
  'token-expired',
  'resumption',
  'unauthorized',
  'reserved',
  'device-limit',
  'handshake-failed',
  'handshake-timeout',
] as const;
export type QuicRefusal = (typeof QUIC_REFUSALS)[number];

/** One place taken. `device` is set when the handshake is over. */
export interface AdmissionPlace {
  readonly source: string;
  device: string | null;
  released: boolean;
}

export class Admission {
  readonly refused: Record<QuicRefusal, number>;
  readonly #limits: QuicServerLimits;
  /** Oldest first. */
  readonly #handshakes = new Set<AdmissionPlace>();
  readonly #bySource = new Map<string, number>();
  readonly #byDevice = new Map<string, number>();
  #places = 0;

  constructor(limits: QuicServerLimits) {
    this.#limits = limits;
    this.refused = Object.fromEntries(QUIC_REFUSALS.map((refusal) => [refusal, 0])) as Record<QuicRefusal, number>;
  }

  /** All of them, handshakes included. */
  get places(): number {
    return this.#places;
  }

  get handshaking(): number {
    return this.#handshakes.size;
  }

  get established(): number {
    return this.#places - this.#handshakes.size;
  }

  /** Connections of a device whose handshake is over. */
  ofDevice(id: string): number {
    return this.#byDevice.get(id) ?? 0;
  }

  count(refusal: QuicRefusal): void {
    this.refused[refusal]++;
  }

  /**
   * Takes a place for a client whose address is proven, or says why not (and counts it). `evict` is called first for the handshake that gives way, if one
   * must: it closes it and counts that, unless it finds it finished by now.
   */
  begin(address: string, evict: (oldest: AdmissionPlace) => void): AdmissionPlace | QuicRefusal {
    if (this.established >= this.#limits.maxConnections) return this.#refuse('connection-limit');
    const source = sourceOf(address);
    const oldest = this.#inTheWay(source);
    if (oldest !== undefined) {
      evict(oldest);
      if (this.#handshakes.has(oldest)) this.release(oldest);
    }
    const place: AdmissionPlace = { source, device: null, released: false };
    this.#places++;
    this.#handshakes.add(place);
    add(this.#bySource, source, 1);
    return place;
  }

  /** The handshake is over and the device is who it says. Null when it may stay; the caller closes it otherwise, which releases the place. */
  establish(place: AdmissionPlace, device: QuicDevice): QuicRefusal | null {
    const { maxConnections, reservedShare, maxPerDevice } = this.#limits;
    if (this.established >= maxConnections) return this.#refuse('connection-limit');
    if (!device.known && this.established >= Math.floor(maxConnections * (1 - reservedShare))) {
      return this.#refuse('reserved');
    }
    if (this.ofDevice(device.id) >= maxPerDevice) return this.#refuse('device-limit');
    this.#endHandshake(place);
    place.device = device.id;
    add(this.#byDevice, device.id, 1);
    return null;
  }

  /** Gives the place back. Calling it again does nothing. */
  release(place: AdmissionPlace): void {
    if (place.released) return;
    place.released = true;
    this.#endHandshake(place);
    this.#places--;
    if (place.device !== null) add(this.#byDevice, place.device, -1);
  }

  /** The handshake that must give way to a new one of this source, if one must: its own source's oldest, or the oldest of all. */
  #inTheWay(source: string): AdmissionPlace | undefined {
    if ((this.#bySource.get(source) ?? 0) >= this.#limits.maxHandshakesPerSource) {
      for (const place of this.#handshakes) if (place.source === source) return place;
    }
    if (this.#handshakes.size < this.#limits.maxHandshakes) return undefined;
    const [oldest] = this.#handshakes;
    return oldest;
  }

  #endHandshake(place: AdmissionPlace): void {
    if (this.#handshakes.delete(place)) add(this.#bySource, place.source, -1);
  }

  #refuse(refusal: QuicRefusal): QuicRefusal {
    this.count(refusal);
    return refusal;
  }
}

/** What counts as one source: an IPv4 address, or the /64 that a single IPv6 customer is given at least. */
export function sourceOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIPv4(address) || !isIPv6(address)) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  // A dotted quad at the end stands for two groups; only the first four matter here.
  const groups =
    tail === undefined
      ? front
      : [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back];
  const prefix = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${prefix.join(':')}::/64`;
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next > 0) counts.set(key, next);
  else counts.delete(key);
}
