/**
 * What a server does with the first datagram of a stranger: everything before there is a connection. Nothing is kept for a client that has not proven its
 * address, and no answer is longer than what was asked with (an Initial has at least 1,200 bytes, our answers less than 200).
 */
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';
import { AddressTokens } from './address-token.js';
import type { DatagramSink } from './connection.js';
import type { HostPort, NativeHeader, Quiche } from './native.js';

/** Length of the connection ids we give out; short headers carry no length, so it is the same for all. */
export const CONNECTION_ID_BYTES = 16;
/** RFC 9000, section 14.1. */
const MIN_INITIAL_BYTES = 1200;

/** Datagrams that were dropped without an answer. */
export const QUIC_DROPS = ['malformed', 'unknown-connection', 'other-address', 'short-initial'] as const;
export type QuicDrop = (typeof QUIC_DROPS)[number];

export type IntakeVerdict =
  | { readonly kind: 'accept'; readonly scid: Buffer; readonly originalDcid: Buffer }
  | { readonly kind: 'answered' }
  | { readonly kind: 'dropped'; readonly why: QuicDrop }
  | { readonly kind: 'refused'; readonly why: 'token-forged' | 'token-expired' };

export class ServerIntake {
  retriesSent = 0;
  versionNegotiationsSent = 0;
  readonly #deps: {
    readonly clock: Clock;
    readonly random: Random;
    readonly quiche: Quiche;
    readonly sink: DatagramSink;
  };
  readonly #tokens: AddressTokens;

  constructor(
    deps: { readonly clock: Clock; readonly random: Random; readonly quiche: Quiche; readonly sink: DatagramSink },
    options: { readonly retryTokenMs: number },
  ) {
    this.#deps = deps;
    this.#tokens = new AddressTokens({ key: deps.random.bytes(32), lifetimeMs: options.retryTokenMs });
  }

  /** A datagram with a long header that belongs to no connection. */
  examine(bytes: Buffer, header: NativeHeader, from: HostPort): IntakeVerdict {
    const { clock, random, quiche } = this.#deps;
    if (bytes.length < MIN_INITIAL_BYTES) return { kind: 'dropped', why: 'short-initial' };
    if (!quiche.versionIsSupported(header.version)) {
      this.versionNegotiationsSent++;
      return this.#answer(from, (into) => quiche.negotiateVersion(header.scid, header.dcid, into));
    }
    if (header.ty !== quiche.Type.Initial) return { kind: 'dropped', why: 'unknown-connection' };
    const now = clock.monotonic();
    if (header.token === undefined || header.token.length === 0) {
      const scid = random.bytes(CONNECTION_ID_BYTES);
      const token = this.#tokens.mint(from, header.dcid, scid, now);
      this.retriesSent++;
      return this.#answer(from, (into) => quiche.retry(header.scid, header.dcid, scid, token, header.version, into));
    }
    const verdict = this.#tokens.verify(header.token, from, header.dcid, now);
    if (verdict.problem !== null) return { kind: 'refused', why: `token-${verdict.problem}` };
    return { kind: 'accept', scid: Buffer.from(header.dcid), originalDcid: verdict.originalDcid };
  }

  #answer(to: HostPort, write: (into: Buffer) => number): IntakeVerdict {
    try {
      this.#deps.sink.send(write(this.#deps.sink.buffer()), to);
      return { kind: 'answered' };
    } catch {
      // A header that the parser takes and the writer does not, e.g. connection ids longer than version 1 has.
      return { kind: 'dropped', why: 'malformed' };
    }
  }
}
