/**
 * Passwords: made into verifiers and compared with them, at most two at a time.
 *
 * scrypt with N=2^15, r=8, p=1 takes 32 MiB and some 100 ms, on a thread of the pool. Two at once leave threads for files; sixteen more wait, further ones
 * are refused at once. A name that is not known, has no password or is disabled costs the same work as one that is.
 * Text is normalised to NFKC, so that a password typed on another keyboard is the same. Sources: RFC 7914; NIST SP 800-63B, section 5.1.1.2.
 */
import { scrypt, timingSafeEqual } from 'node:crypto';
import type { PasswordVerifier } from '../base/access.js';
import { PalyraError } from '../base/errors.js';
import type { Random } from '../base/random.js';

const PARAMETERS = { n: 2 ** 15, r: 8, p: 1 } as const;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
export const MAX_EVALUATIONS = 2;
export const MAX_WAITING = 16;
/** A place is free again after a second or two at the latest. */
const BUSY_RETRY_MS = 2000;

/** A place in the queue. `run` may be called once; `release` gives the place up unused. */
interface Place {
  run<T>(work: () => Promise<T>): Promise<T>;
  release(): void;
}

export class Passwords {
  readonly #random: Random;
  /** Compared with when there is nothing to compare with. Nothing fits it: its hash is not one of anything. */
  readonly #nobody: PasswordVerifier;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #running = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#nobody = {
      algorithm: 'scrypt',
      ...PARAMETERS,
      salt: random.bytes(SALT_BYTES).toString('hex'),
      hash: random.bytes(HASH_BYTES).toString('hex'),
    };
  }

  /** Throws LOGIN_THROTTLED when too many wait. */
  toVerifier(password: string): Promise<PasswordVerifier> {
    const salt = this.#random.bytes(SALT_BYTES);
    return this.place().run(async () => {
      const hash = await derive(password, { ...PARAMETERS, salt });
      return { algorithm: 'scrypt', ...PARAMETERS, salt: salt.toString('hex'), hash: hash.toString('hex') };
    });
  }

  /** Whether the password fits; false, after the same work, when there is no verifier. */
  async matches(place: Place, password: string, verifier: PasswordVerifier | null): Promise<boolean> {
    const compared = verifier ?? this.#nobody;
    const hash = await place.run(() => derive(password, { ...compared, salt: Buffer.from(compared.salt, 'hex') }));
    const fits = timingSafeEqual(hash, Buffer.from(compared.hash, 'hex'));
    return fits && verifier !== null;
  }

  /** Throws LOGIN_THROTTLED when too many wait. */
  place(): Place {
    if (this.#taken >= MAX_EVALUATIONS + MAX_WAITING) {
      throw new PalyraError('LOGIN_THROTTLED', { details: { retryAfterMs: BUSY_RETRY_MS } });
    }
    this.#taken += 1;
    let isHeld = true;
    const release = () => {
      if (isHeld) this.#taken -= 1;
      isHeld = false;
    };
    return {
      release,
      run: async (work) => {
        try {
          return await this.#inTurn(work);
        } finally {
          release();
        }
      },
    };
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_EVALUATIONS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await work();
    } finally {
      // The turn is handed on, not given back: nobody overtakes who waits.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function derive(
  password: string,
  o: { readonly n: number; readonly r: number; readonly p: number; readonly salt: Buffer },
): Promise<Buffer> {
  const { n: N, r, p, salt } = o;
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
