/**
 * Logging in with a password or a token. The throttle comes first: whatever else a request carries, nothing of it is looked at before its try is counted,
 * durably. Loopback counts like every other source. All refusals of a password are one and the same, after the same work.
 */
import type { OperatorRecord, TokenRecord } from '../base/access.js';
import { PalyraError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { TOKEN_PREFIX } from '../wire/http/routes.js';
import type { Access } from '../runtime/access.js';
import { sourceKey } from './caller.js';
import { Passwords } from './passwords.js';

/** `plt_`, the ten characters of the id, and the secret. */
const TOKEN = new RegExp(`^${TOKEN_PREFIX}([0-9A-Z]{10})_([A-Za-z0-9_-]{43})$`);

/** Its id and secret; null when it is not of the form of a token. */
export function parseToken(text: string): { readonly id: string; readonly secret: string } | null {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id: `tok_${id}`, secret };
}

export function formatToken(id: string, secret: string): string {
  return `${TOKEN_PREFIX}${id.replace(/^tok_/, '')}_${secret}`;
}

export class LoginDesk {
  readonly passwords: Passwords;
  readonly #access: Access;

  constructor(deps: { readonly access: Access; readonly random: Random }) {
    this.#access = deps.access;
    this.passwords = new Passwords(deps.random);
  }

  /** Who it is. Throws LOGIN_THROTTLED or LOGIN_REFUSED. */
  async byPassword(o: {
    readonly operator: string;
    readonly password: string;
    readonly address: string;
  }): Promise<OperatorRecord> {
    // A place first: a try that could not be evaluated must not be counted.
    const place = this.passwords.place();
    try {
      await this.#access.countLoginTry({ account: o.operator, source: sourceKey(o.address) });
    } catch (error) {
      place.release();
      throw error;
    }
    const operator = this.#access.operators.named(o.operator);
    const fits = await this.passwords.matches(place, o.password, operator?.password ?? null);
    // As it is now: it may have been changed while the password was compared.
    const present = this.#access.operators.named(o.operator);
    if (!fits || present?.state !== 'active' || present.password !== operator?.password) {
      throw new PalyraError('LOGIN_REFUSED');
    }
    return present;
  }

  /** The token, live. Throws LOGIN_THROTTLED or TOKEN_REFUSED. */
  async byToken(o: { readonly token: string; readonly address: string }): Promise<TokenRecord> {
    await this.#access.countLoginTry({ account: null, source: sourceKey(o.address) });
    const parsed = parseToken(o.token);
    const found = parsed === null ? null : this.#access.tokens.authenticate(parsed.id, parsed.secret);
    if (found === null) throw new PalyraError('TOKEN_REFUSED');
    return found.token;
  }
}
