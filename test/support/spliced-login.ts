/**
 * A man in the middle of a login: to the program he is a daemon with a CA of his own, to the daemon a program. Two real TLS sessions with him between them.
 * He passes on what he is sent, and puts a claim hash and nonces of his own in its place where that serves him.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { nonceCommitment } from '../../src/lib/base/pairing-pin.js';
import { systemRandom } from '../../src/lib/base/random.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import { askTls, LoginClient } from './login-client.js';

/** `relay`: everything as it is. `own`: a login of his own towards the daemon, a nonce of his own towards the program. */
export type Scheme = 'relay' | 'own';

export class SplicedLogin {
  readonly #server: Server;
  readonly #scheme: Scheme;
  readonly #nonce = randomBytes(32);
  /** What he began at the daemon; its secret is his. */
  readonly own: LoginClient;
  /** Of the request he left at the daemon. */
  requestId = '';
  port = 0;

  private constructor(authority: Authority, daemonPort: number, scheme: Scheme) {
    this.#scheme = scheme;
    this.own = new LoginClient(daemonPort);
    const { keyPem, certificatePem } = authority.issueServer({
      hosts: ['127.0.0.1'],
      now: Date.now(),
      random: systemRandom,
    });
    const options = { key: keyPem, cert: certificatePem + authority.certificatePem };
    this.#server = createServer(options, (incoming, outgoing) => {
      void (async () => {
        const { status, json } = await this.#answer(incoming.url ?? '', JSON.parse(await text(incoming)));
        outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
      })();
    });
  }

  static async start(authority: Authority, daemonPort: number, scheme: Scheme): Promise<SplicedLogin> {
    const spliced = new SplicedLogin(authority, daemonPort, scheme);
    await new Promise<void>((resolve) => spliced.#server.listen(0, '127.0.0.1', resolve));
    spliced.port = (spliced.#server.address() as AddressInfo).port;
    return spliced;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the daemon said
  async #answer(path: string, json: unknown): Promise<{ status: number; json: any }> {
    if (this.#scheme === 'relay' || path.endsWith('/claim')) {
      const answer = await askTls(this.own.port, { method: 'POST', path, json });
      if (path.endsWith('/confirm')) this.requestId = answer.json.requestId;
      return answer;
    }
    if (!path.endsWith('/confirm')) {
      const begun = await this.own.begin();
      return { status: 200, json: { ...begun.json, commitment: this.#commitment() } };
    }
    const confirmed = await this.own.confirm();
    this.requestId = this.own.requestId;
    return { status: 200, json: { ...confirmed.json, daemonNonce: this.#nonce.toString('hex') } };
  }

  #commitment(): string {
    return nonceCommitment(this.own.loginId, this.#nonce).toString('hex');
  }
}
