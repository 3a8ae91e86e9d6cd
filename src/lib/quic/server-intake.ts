/**
 * What a server does with the first datagram of a stranger: everything before there is a connection. Nothing is kept for a client that has not proven its
 * address, and no answer is longer than what was asked with (an Initial has at least 1,200 bytes, our answers less than 200).
 */
import { AddressTokens } from './address-token.js';
import { TRANSPORT_CONNECTION_REFUSED, reasonBytes } from './close.js';
import type { DatagramSink } from './connection.js';
import { withoutZone } from './native.js';
import type { DatagramPath, HostPort, NativeConnection, NativeHeader, Quiche } from './native.js';
import type { QuicDeps } from './options.js';

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

interface IntakeDeps extends QuicDeps {
  readonly quiche: Quiche;
  readonly sink: DatagramSink;
}

export class ServerIntake {
  retriesSent = 0;
  versionNegotiationsSent = 0;
  readonly #deps: IntakeDeps;
  readonly #tokens: AddressTokens;

  constructor(deps: IntakeDeps, options: { readonly retryTokenMs: number }) {
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

  /**
   * Refuses what `examine` let through. The address is proven, so an answer harms nobody. Before the handshake is over only a transport code can be sent,
   * and the library sends it with the handshake's keys, which the client has from the first datagram of our flight: it may think itself connected for a
   * moment, as after any late refusal.
   */
  refuse(native: NativeConnection, bytes: Buffer, path: DatagramPath, why: string): void {
    const { sink, log } = this.#deps;
    const send = () => {
      const sent = native.send(sink.buffer());
      if (sent !== null) sink.send(sent[0], path.from);
    };
    try {
      native.recv(bytes, { from: withoutZone(path.from), to: path.to });
      send();
      native.close(false, TRANSPORT_CONNECTION_REFUSED, reasonBytes(why));
      send();
    } catch (error) {
      log.debug('a QUIC refusal could not be sent', { err: error });
    }
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
