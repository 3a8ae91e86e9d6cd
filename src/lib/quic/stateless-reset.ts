/**
 * Stateless resets (RFC 9000, section 10.3): how a server that has lost its memory, because it was killed and started again, tells a client that a
 * connection is over. Without them the client finds out by its time-outs.
 *
 * The token of a connection is a function of its id and of the server's TLS key, so that the next process can make it again. Whoever holds that key can
 * end connections anyway. A reset is always shorter than what it answers, so that two servers cannot go on answering each other, and there are at most
 * `RESETS_PER_SECOND`.
 */
import { createHmac, hkdfSync } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';

const TOKEN_BYTES = 16;
/** The shortest that a client takes for one. */
const MIN_BYTES = 21;
/** Looks like a short packet with little in it. */
const MAX_BYTES = 40;
const RESETS_PER_SECOND = 256;

export class StatelessResets {
  sent = 0;
  readonly #deps: { readonly clock: Clock; readonly random: Random };
  readonly #key: Buffer;
  #second = -1;
  #inSecond = 0;

  constructor(
    deps: { readonly clock: Clock; readonly random: Random },
    options: { /** Only derived from. */ readonly keyPem: string },
  ) {
    this.#deps = deps;
    this.#key = Buffer.from(hkdfSync('sha256', options.keyPem.trim(), '', 'palyra quic stateless reset v1', 32));
  }

  /** For the native configuration, before the connection is made. */
  tokenOf(connectionId: Uint8Array): bigint {
    return BigInt(`0x${this.#token(connectionId).toString('hex')}`);
  }

  /** Writes the answer to a datagram of an unknown connection. Its length, or 0 when there is to be none. */
  write(connectionId: Uint8Array, datagramBytes: number, into: Buffer): number {
    const length = Math.min(MAX_BYTES, datagramBytes - 1);
    if (length < MIN_BYTES || !this.#mayAnswer()) return 0;
    into.set(this.#deps.random.bytes(length - TOKEN_BYTES));
    into[0] = (into[0]! & 0x3f) | 0x40;
    into.set(this.#token(connectionId), length - TOKEN_BYTES);
    this.sent++;
    return length;
  }

  #mayAnswer(): boolean {
    const second = Math.floor(this.#deps.clock.monotonic() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
    }
    return this.#inSecond++ < RESETS_PER_SECOND;
  }

  #token(connectionId: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(connectionId).digest().subarray(0, TOKEN_BYTES);
  }
}
