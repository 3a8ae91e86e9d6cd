/**
 * Tokens of Retry packets (RFC 9000, section 8.1.2): proof that a client receives at the address it sends from, without keeping anything for it.
 *
 *   "1" | issued (6 bytes, monotonic ms) | original connection id (up to 20 bytes) | HMAC-SHA-256 over all of it, the address, the port and the new id
 *
 * A token is good for one address and port, for the connection id that went with it, and for `lifetimeMs`. The key lives as long as the endpoint. A token
 * can be shown twice within its life; it then names the same connection id, so it opens no second connection beside the first.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const FORMAT = 0x31;
const PREFIX = 7;
const MAC = 32;
const MAX_CONNECTION_ID = 20;

export type TokenVerdict =
  { readonly originalDcid: Buffer; readonly problem: null } | { readonly problem: 'forged' | 'expired' };

export class AddressTokens {
  readonly #key: Buffer;
  readonly #lifetimeMs: number;

  constructor(options: { readonly key: Buffer; readonly lifetimeMs: number }) {
    this.#key = options.key;
    this.#lifetimeMs = options.lifetimeMs;
  }

  /** `now` is monotonic. `newScid` is the connection id the Retry packet gives the client. */
  mint(from: TokenAddress, originalDcid: Uint8Array, newScid: Uint8Array, now: number): Buffer {
    const body = Buffer.alloc(PREFIX + originalDcid.length);
    body[0] = FORMAT;
    body.writeUIntBE(Math.floor(now), 1, 6);
    body.set(originalDcid, PREFIX);
    return Buffer.concat([body, this.#mac(body, from, newScid)]);
  }

  /** `dcid` is the connection id the client now sends to: it must be the one the Retry packet gave it. */
  verify(token: Uint8Array, from: TokenAddress, dcid: Uint8Array, now: number): TokenVerdict {
    const bytes = Buffer.from(token.buffer, token.byteOffset, token.length);
    const length = bytes.length - MAC;
    if (length < PREFIX || length > PREFIX + MAX_CONNECTION_ID || bytes[0] !== FORMAT) return { problem: 'forged' };
    const body = bytes.subarray(0, length);
    if (!timingSafeEqual(this.#mac(body, from, dcid), bytes.subarray(length))) return { problem: 'forged' };
    const age = now - body.readUIntBE(1, 6);
    if (age > this.#lifetimeMs) return { problem: 'expired' };
    return { originalDcid: Buffer.from(body.subarray(PREFIX)), problem: null };
  }

  #mac(body: Buffer, from: TokenAddress, scid: Uint8Array): Buffer {
    const context = `palyra quic retry v1\0${from.host}\0${from.port}\0${scid.length}\0${body.length}\0`;
    return createHmac('sha256', this.#key).update(context).update(scid).update(body).digest();
  }
}

interface TokenAddress {
  readonly host: string;
  readonly port: number;
}
