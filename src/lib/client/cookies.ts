/**
 * The cookie of a session, kept by the rules of RFC 6265bis and of its `__Host-` prefix: Secure, for the whole of one host, from that host. Every other
 * cookie a server sets is dropped, so there is nothing to grow. The library is loaded when there is a cookie to keep, not before.
 */
import type { CookieJar as Jar, SerializedCookieJar } from 'tough-cookie';
import { PalyraError } from '../base/errors.js';
import { SESSION_COOKIE } from '../wire/http/routes.js';

/** JSON; holds the secret of the session. */
export type SerializedCookies = SerializedCookieJar;

export class CookieJar {
  readonly #initial: SerializedCookies | null;
  #jar: Promise<Jar> | null = null;

  /** `serialized` as an earlier jar gave it. */
  constructor(serialized: SerializedCookies | null = null) {
    this.#initial = serialized;
  }

  /** The value of the Cookie header for this address, or null. */
  async headerFor(url: string): Promise<string | null> {
    if (this.#jar === null && this.#initial === null) return null;
    const header = await (await this.#open()).getCookieString(url);
    return header === '' ? null : header;
  }

  /** Takes what an answer from this address set; what the rules refuse is left out. */
  async take(setCookie: readonly string[], url: string): Promise<void> {
    const ours = setCookie.filter((cookie) => cookie.startsWith(`${SESSION_COOKIE}=`));
    if (ours.length === 0) return;
    const jar = await this.#open();
    for (const cookie of ours) await jar.setCookie(cookie, url, { ignoreError: true });
  }

  async clear(): Promise<void> {
    if (this.#jar !== null || this.#initial !== null) await (await this.#open()).removeAllCookies();
  }

  async serialize(): Promise<SerializedCookies | null> {
    if (this.#jar === null && this.#initial === null) return null;
    return (await this.#open()).serialize();
  }

  #open(): Promise<Jar> {
    this.#jar ??= this.#load();
    return this.#jar;
  }

  async #load(): Promise<Jar> {
    const { CookieJar: ToughJar } = await import('tough-cookie');
    if (this.#initial === null) return new ToughJar(undefined, { prefixSecurity: 'strict' });
    try {
      return await ToughJar.deserialize({ ...this.#initial, prefixSecurity: 'strict' });
    } catch (error) {
      throw new PalyraError('CONFIG_INVALID', { detail: 'the stored cookies cannot be read', cause: error });
    }
  }
}
