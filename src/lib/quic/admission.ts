/**
 * Who gets one of the server's connections. Decides and counts; opens, closes and waits for nothing.
 *
 * Always true (test/property/quic-admission.property.ts):
 *   1. Never more than `maxConnections` at once, nor more than `maxPerDevice` of one device, nor more than `maxHandshakesPerSource` handshakes of one source.
 *   2. Unknown devices never hold more than the unreserved part once their handshake is over.
 *   3. Every place is given back exactly once, however a connection ends.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { QuicDevice, QuicServerLimits } from './options.js';

/** Why a connection was refused or thrown out; each is counted. */
export const QUIC_REFUSALS = [
  'connection-limit',
  'source-handshakes',
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
  handshaking: boolean;
  released: boolean;
}

export class Admission {
  readonly refused: Record<QuicRefusal, number>;
  readonly #limits: QuicServerLimits;
  readonly #bySource = new Map<string, number>();
  readonly #byDevice = new Map<string, number>();
  #places = 0;
  #handshaking = 0;

  constructor(limits: QuicServerLimits) {
    this.#limits = limits;
    this.refused = Object.fromEntries(QUIC_REFUSALS.map((refusal) => [refusal, 0])) as Record<QuicRefusal, number>;
  }

  get places(): number {
    return this.#places;
  }

  get handshaking(): number {
    return this.#handshaking;
  }

  /** Connections of a device whose handshake is over. */
  ofDevice(id: string): number {
    return this.#byDevice.get(id) ?? 0;
  }

  count(refusal: QuicRefusal): void {
    this.refused[refusal]++;
  }

  /** Takes a place for a client whose address is proven, or says why not (and counts it). */
  begin(address: string): AdmissionPlace | QuicRefusal {
    const source = sourceOf(address);
    if ((this.#bySource.get(source) ?? 0) >= this.#limits.maxHandshakesPerSource)
      return this.#refuse('source-handshakes');
    if (this.#places >= this.#limits.maxConnections) return this.#refuse('connection-limit');
    this.#places++;
    this.#handshaking++;
    add(this.#bySource, source, 1);
    return { source, device: null, handshaking: true, released: false };
  }

  /** The handshake is over and the device is who it says. Null when it may stay; the caller closes it otherwise, which releases the place. */
  establish(place: AdmissionPlace, device: QuicDevice): QuicRefusal | null {
    this.#endHandshake(place);
    const unreserved = Math.floor(this.#limits.maxConnections * (1 - this.#limits.reservedShare));
    if (!device.known && this.#places > unreserved) return this.#refuse('reserved');
    if (this.ofDevice(device.id) >= this.#limits.maxPerDevice) return this.#refuse('device-limit');
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

  #endHandshake(place: AdmissionPlace): void {
    if (!place.handshaking) return;
    place.handshaking = false;
    this.#handshaking--;
    add(this.#bySource, place.source, -1);
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
