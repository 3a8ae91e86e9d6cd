/** A program that logs in with the approval of a person, over real TLS; it takes what certificate it is shown, as a first login does. */
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { opensCommitment, pairingPin } from '../../src/lib/base/pairing-pin.js';
import type { HttpAnswer, HttpAsk } from './test-daemon.js';

interface TlsAnswer extends HttpAnswer {
  /** What the connection shows of itself; hex. */
  readonly caSpkiSha256: string;
  readonly serverCertificateSha256: string;
}

/** One request over a TLS connection of its own. */
export function askTls(port: number, what: HttpAsk): Promise<TlsAnswer> {
  const body = what.json === undefined ? what.body : JSON.stringify(what.json);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        method: what.method ?? 'GET',
        path: what.path,
        agent: false,
        rejectUnauthorized: false,
        headers: {
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...what.headers,
        },
      },
      (response) => {
        const chain = (response.socket as TLSSocket).getPeerCertificate(true);
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /[/+]json/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : null,
            caSpkiSha256: sha256(
              new X509Certificate(chain.issuerCertificate.raw).publicKey.export({ type: 'spki', format: 'der' }),
            ),
            serverCertificateSha256: sha256(chain.raw),
          });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

export class LoginClient {
  readonly secret = randomBytes(32).toString('hex');
  readonly nonce = randomBytes(32);
  loginId = '';
  requestId = '';
  pin = '';
  #commitment = '';

  constructor(
    public port: number,
    readonly operator?: string,
    readonly hostname = 'laptop',
  ) {}

  get claimHash(): string {
    return sha256(Buffer.from(this.secret, 'hex'));
  }

  async begin(): Promise<TlsAnswer> {
    const answer = await askTls(this.port, {
      method: 'POST',
      path: '/v1/logins',
      json: {
        claimHash: this.claimHash,
        ...(this.operator === undefined ? {} : { operator: this.operator }),
        client: { hostname: this.hostname, platform: 'linux', arch: 'x64', version: '0.1.0' },
      },
    });
    if (answer.status === 200) {
      this.loginId = answer.json.loginId;
      this.#commitment = answer.json.commitment;
    }
    return answer;
  }

  /** Throws when the daemon does not open what it committed to. */
  async confirm(): Promise<TlsAnswer> {
    const path = `/v1/logins/${this.loginId}/confirm`;
    const answer = await askTls(this.port, { method: 'POST', path, json: { nonce: this.nonce.toString('hex') } });
    if (answer.status !== 200) return answer;
    const daemonNonce = Buffer.from(answer.json.daemonNonce, 'hex');
    if (!opensCommitment(Buffer.from(this.#commitment, 'hex'), this.loginId, daemonNonce)) {
      throw new Error('the daemon opened another nonce than it had committed to');
    }
    this.requestId = answer.json.requestId;
    const { caSpkiSha256, serverCertificateSha256 } = answer;
    const spki = Buffer.from(this.claimHash, 'hex');
    this.pin = pairingPin({ caSpkiSha256, serverCertificateSha256, spki, nodeNonce: this.nonce, daemonNonce });
    return answer;
  }

  async ask(): Promise<this> {
    for (const answer of [await this.begin(), await this.confirm()]) {
      if (answer.status !== 200) throw new Error(answer.text);
    }
    return this;
  }

  claim(waitMs = 0, secret = this.secret): Promise<TlsAnswer> {
    return askTls(this.port, { method: 'POST', path: `/v1/logins/${this.loginId}/claim`, json: { secret, waitMs } });
  }
}

/** The cookie of an answer, ready to be sent back. */
export function cookieOf({ headers }: HttpAnswer): string {
  return (headers['set-cookie'] ?? [])[0]?.split(';')[0] ?? '';
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
