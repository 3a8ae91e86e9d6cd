/**
 * How the HTTP library connects to a daemon behind a URL. The trust is settled before a byte of a request is written: by the CA that was given, by the
 * CA that has the given fingerprint (read from a handshake of its own, once), or by the authorities of this machine.
 *
 * Sessions of TLS are not resumed: every connection shows its certificate, which is what a login's PIN is bound to.
 */
import type { Socket } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { PalyraError } from '../base/errors.js';
import { isUntrusted } from './reach.js';

export interface SecureTarget {
  readonly url: URL;
  readonly ca?: string | undefined;
  /** SHA-256 of the DER of the only CA that is trusted; hex. */
  readonly caFingerprint?: string | undefined;
  readonly proxy?: string | undefined;
  readonly timeoutMs: number;
}

type Callback = (...answer: [null, Socket] | [Error, null]) => void;

export class SecureConnector {
  readonly #target: SecureTarget;
  readonly #over = new AbortController();
  #ca: string | undefined;
  #certificate: Buffer | null = null;
  #certificateSha256: string | null = null;
  #nextCa: string | null = null;

  constructor(target: SecureTarget) {
    this.#target = target;
    this.#ca = target.ca;
  }

  /** SHA-256 of the certificate that the last connection showed; hex. */
  get certificateSha256(): string | null {
    return this.#certificateSha256;
  }

  /** The same, its DER. */
  get certificate(): Buffer | null {
    return this.#certificate;
  }

  /** The CA that takes over, as the daemon said: PEM. From then on either is trusted, unless the authorities of this machine are. */
  get nextCa(): string | null {
    return this.#nextCa;
  }

  /** Base64 of the DER, from an answer over a connection of this connector. */
  learn(nextCa: string): void {
    if (!/^[A-Za-z0-9+/]{100,8000}={0,2}$/.test(nextCa)) return;
    const lines = nextCa.match(/.{1,64}/g) ?? [];
    this.#nextCa = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  }

  /** As undici wants it. */
  readonly connect = (_options: unknown, callback: Callback): void => {
    this.#dial().then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error as Error, null),
    );
  };

  /** Gives up connections that are being opened; those that are open belong to the HTTP library. */
  close(): void {
    this.#over.abort();
  }

  /** The CA that is trusted; undefined when those of this machine are. */
  async trustedCa(): Promise<string | undefined> {
    const pin = this.#target.caFingerprint;
    if (this.#ca !== undefined || pin === undefined) return this.#ca;
    const { readDaemonIdentity } = await import('./daemon-identity.js');
    const identity = await readDaemonIdentity(this.#place());
    if (identity?.caFingerprint !== pin) {
      throw new PalyraError('DAEMON_IDENTITY_CHANGED', {
        detail:
          identity === null
            ? `${this.#target.url.host} shows no identity of its own`
            : `${this.#target.url.host} has the fingerprint sha256:${identity.caFingerprint}, wanted is sha256:${pin}`,
      });
    }
    this.#ca = identity.caPem;
    return this.#ca;
  }

  async #dial(): Promise<Socket> {
    const [{ dialTls }, { checkServerIdentity }, ca] = [
      await import('./tls-dial.js'),
      await import('node:tls'),
      await this.trustedCa(),
    ];
    const { nameDetail, sha256 } = await import('./daemon-identity.js');
    try {
      return await dialTls(this.#place(), {
        ...(ca === undefined ? {} : { ca: this.#nextCa === null ? ca : [ca, this.#nextCa] }),
        rejectUnauthorized: true,
        checkServerIdentity: (host: string, certificate: PeerCertificate) => {
          this.#certificate = certificate.raw;
          this.#certificateSha256 = sha256(certificate.raw);
          const wrong = checkServerIdentity(host, certificate);
          return wrong === undefined
            ? undefined
            : new PalyraError('DAEMON_UNREACHABLE', { detail: nameDetail(host, certificate), cause: wrong });
        },
      });
    } catch (error) {
      if (!isUntrusted(error)) throw error;
      throw ca === undefined
        ? new PalyraError('DAEMON_UNREACHABLE', {
            detail: 'no authority that this machine trusts vouches for its certificate',
            hint: `Log in once, which shows its identity and keeps it: palyra login ${this.#target.url.origin}`,
            cause: error,
          })
        : new PalyraError('DAEMON_IDENTITY_CHANGED', { detail: this.#target.url.host, cause: error });
    }
  }

  #place() {
    const { url, proxy, timeoutMs } = this.#target;
    return {
      host: hostOf(url),
      port: url.port === '' ? 443 : Number(url.port),
      proxy,
      timeoutMs,
      signal: this.#over.signal,
    };
  }
}

/** Without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
