/**
 * The daemon's half of a login that a person approves. It is the exchange of joining by PIN (`pairing-desk.ts`, `base/pairing-pin.ts`) over HTTPS, with the
 * claim hash in the place of the node's key:
 *
 *   begin ─► commitment [60 s] ─► confirm: the request is in the queue, then the daemon's nonce ─► claim: the session, once
 *
 * The person compares by typing what the program shows. Somebody in between has two certificates, hence two PINs, and cannot choose either. The secret is
 * shown only to fetch the session, when a person has typed the PIN of the connection it is shown over.
 *
 * Always true: a begun login has one try; a session is fetched once; who is wrong about an id or a secret is told the same.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { ClientFacts, LoginRecord } from '../base/requests.js';
import { nonceCommitment, pairingPin, toPinVerifier } from '../base/pairing-pin.js';
import type { Random } from '../base/random.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import { sourceKey } from './caller.js';
import type { DaemonFingerprints } from './pairing-desk.js';
import { PairingSessions } from './pairing-sessions.js';

const NONCE_BYTES = 32;
/** 160 bits. */
const LOGIN_ID_BYTES = 20;

export interface LoginQueueDeps {
  readonly runtime: Pick<NodeRuntime, 'logins'>;
  readonly clock: Clock;
  readonly random: Random;
}

interface BegunLogin {
  readonly kind: 'login';
  /** The claim hash. */
  readonly spki: Buffer;
  readonly source: string;
  readonly daemonNonce: Buffer;
  /** Of the connection it began on: the certificate is renewed while the daemon runs. */
  readonly fingerprints: DaemonFingerprints;
  readonly operator: string | null;
  readonly client: ClientFacts;
}

export class LoginQueue {
  readonly #deps: LoginQueueDeps;
  readonly #fingerprints: () => DaemonFingerprints;
  readonly #begun: PairingSessions<BegunLogin>;

  constructor(deps: LoginQueueDeps, fingerprints: () => DaemonFingerprints) {
    this.#deps = deps;
    this.#fingerprints = fingerprints;
    this.#begun = new PairingSessions(deps.clock, { busy: 'LOGIN_THROTTLED', unknown: 'LOGIN_UNKNOWN' });
  }

  /** Throws LOGIN_THROTTLED. */
  begin(o: {
    readonly claimHash: string;
    readonly operator: string | null;
    readonly client: ClientFacts;
    readonly address: string;
  }): { readonly loginId: string; readonly commitment: string } {
    const source = sourceKey(o.address);
    this.#begun.take(source);
    const loginId = `lgn_${this.#deps.random.bytes(LOGIN_ID_BYTES).toString('hex')}`;
    const daemonNonce = this.#deps.random.bytes(NONCE_BYTES);
    const { operator, client } = o;
    const spki = Buffer.from(o.claimHash, 'hex');
    const fingerprints = this.#fingerprints();
    this.#begun.hold(loginId, { kind: 'login', spki, source, daemonNonce, fingerprints, operator, client });
    return { loginId, commitment: nonceCommitment(loginId, daemonNonce).toString('hex') };
  }

  /** The nonce is answered only once the request is there to be seen and counted. Throws LOGIN_UNKNOWN or LOGIN_THROTTLED. */
  async confirm(o: {
    readonly loginId: string;
    readonly nonce: string;
    readonly address: string;
    /** Runs when it is known that it was begun here, before anything is changed; may refuse. */
    readonly onKnown: () => Promise<void>;
  }): Promise<{ readonly login: LoginRecord; readonly daemonNonce: string }> {
    const { spki, source, daemonNonce, fingerprints, operator, client } = this.#begun.consume(o.loginId, 'login');
    // The limits were taken for where it began.
    if (sourceKey(o.address) !== source) throw new PalyraError('LOGIN_UNKNOWN');
    await o.onKnown();
    const pin = pairingPin({ ...fingerprints, spki, nodeNonce: Buffer.from(o.nonce, 'hex'), daemonNonce });
    const login = await this.#deps.runtime.logins.request(
      {
        loginId: o.loginId,
        claimHash: spki.toString('hex'),
        client,
        operator,
        address: o.address,
        pin: toPinVerifier(pin, this.#deps.random),
      },
      sourceKey,
    );
    return { login, daemonNonce: daemonNonce.toString('hex') };
  }

  /**
   * An approved login, spent: it opens one session, for the operator it was approved as. Null when nobody has answered within `waitMs`. Throws LOGIN_UNKNOWN
   * (also for a wrong secret and the second time), LOGIN_REJECTED or LOGIN_EXPIRED.
   */
  async claim(o: {
    readonly loginId: string;
    readonly secret: string;
    readonly waitMs: number;
    readonly signal: AbortSignal;
    /** Runs before the login is spent; may refuse. */
    readonly onApproved: (grantedTo: Granted) => Promise<void>;
  }): Promise<Granted | null> {
    const { logins } = this.#deps.runtime;
    const asked = logins.find(o.loginId);
    const shown = createHash('sha256').update(Buffer.from(o.secret, 'hex')).digest();
    if (!timingSafeEqual(shown, Buffer.from(asked.claimHash, 'hex'))) throw new PalyraError('LOGIN_UNKNOWN');
    const login = await logins.awaitAnswer(asked, { timeoutMs: o.waitMs, signal: o.signal });
    if (login.state === 'pending') return null;
    await o.onApproved(grantedBy(login));
    return grantedBy(await logins.spend(login));
  }
}

/** What an approved login gives. */
export interface Granted {
  readonly requestId: string;
  readonly operatorId: string;
  readonly name: string;
  /** What logged in, such as `palyra 0.1.0 on laptop`. */
  readonly client: string;
}

function grantedBy({ id, grantedTo, client }: LoginRecord): Granted {
  if (grantedTo === null) throw new PalyraError('LOGIN_UNKNOWN');
  return { requestId: id, ...grantedTo, client: `palyra ${client.version} on ${client.hostname}` };
}
