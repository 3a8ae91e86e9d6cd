/**
 * What a client proves itself with: nothing over the local socket, a token, or the cookie of a session with the CSRF token that belongs to it.
 * Knows no route but by what is in an answer.
 */
import type { CookieJar } from './cookies.js';

export interface CredentialOptions {
  /** Of the daemon; absent for the local socket. */
  readonly origin: string | null;
  readonly token?: string | undefined;
  readonly cookieJar?: CookieJar | undefined;
}

export class Credentials {
  readonly #options: CredentialOptions;
  #jar: CookieJar | null;
  #csrfToken: string | null = null;

  constructor(options: CredentialOptions) {
    this.#options = options;
    this.#jar = options.cookieJar ?? null;
  }

  /** The headers of a request; a token goes before a session. */
  async headers(): Promise<Record<string, string>> {
    const { origin, token } = this.#options;
    if (origin === null) return {};
    if (token !== undefined) return { authorization: `Bearer ${token}` };
    const cookie = (await this.#jar?.headerFor(origin)) ?? null;
    return cookie === null ? {} : { cookie };
  }

  /** Keeps the session that an answer begins or ends. */
  async take(setCookie: string | readonly string[] | undefined): Promise<void> {
    const { origin } = this.#options;
    if (origin === null || setCookie === undefined) return;
    if (this.#jar === null) {
      const { CookieJar } = await import('./cookies.js');
      this.#jar ??= new CookieJar();
    }
    await this.#jar.take(typeof setCookie === 'string' ? [setCookie] : setCookie, origin);
  }

  /** Whether mutations need a CSRF token. */
  async hasSession(): Promise<boolean> {
    return 'cookie' in (await this.headers());
  }

  get csrfToken(): string | null {
    return this.#csrfToken;
  }

  /** Remembers the CSRF token of an answer that says who asks: itself (`session.login`, `session.show`) or in `who` (`logins.claim`). */
  capture(answer: unknown): void {
    const who = (answer as { who?: unknown } | null)?.who ?? answer;
    const token = (who as { csrfToken?: unknown } | null)?.csrfToken;
    if (typeof token === 'string') this.#csrfToken = token;
  }

  forgetCsrfToken(): void {
    this.#csrfToken = null;
  }

  async forgetSession(): Promise<void> {
    this.#csrfToken = null;
    await this.#jar?.clear();
  }

  get jar(): CookieJar | null {
    return this.#jar;
  }
}
