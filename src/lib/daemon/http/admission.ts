/**
 * What a request must pass before anything is done for it, in this order: the version of the contract, the site it comes from, the credential, the role, the
 * scope of a token, the CSRF token of a session. The first refusal stands; who was refused is kept for the audit log.
 *
 * The local socket is the owner by its file mode: no web page can reach it, and no credential is looked at there.
 */
import type { IncomingMessage } from 'node:http';
import { PalyraError } from '../../base/errors.js';
import type { Caller } from '../../base/model.js';
import type { Route } from '../../wire/http/routes.js';
import { assertAllowed, assertScope, hasScope } from '../policy.js';
import type { Authenticator, Identity } from './authenticator.js';
import type { Entry } from './router.js';
import { assertContract, assertOwnSite } from './site-check.js';

export interface Admission {
  /** Nobody, when the credential was refused or not looked at. */
  readonly identity: Identity;
  readonly refusal: PalyraError | null;
}

export function admit(
  authenticator: Authenticator,
  { route, entry, incoming }: { readonly route: Route; readonly entry: Entry; readonly incoming: IncomingMessage },
): Admission {
  const isLocal = entry.listener === 'local';
  let identity: Identity = {
    caller: entry.caller,
    credential: { kind: isLocal ? 'socket' : 'none' },
    assertCsrf: () => undefined,
  };
  try {
    assertContract(incoming);
    if (!isLocal) {
      assertOwnSite(incoming, route, entry.secure);
      // A route for anybody treats everybody as nobody: a credential, good or bad, changes nothing there.
      if (route.access !== 'anonymous') identity = authenticator.identify(incoming) ?? identity;
    }
    assertAllowed(identity.caller, route.access);
    assertScopeOf(identity.caller, route);
    if (!route.safe) identity.assertCsrf();
    return { identity, refusal: null };
  } catch (error) {
    return { identity, refusal: PalyraError.from(error) };
  }
}

/** Who may come for their own things alone is let in; the handler looks whose they are. */
function assertScopeOf(caller: Caller, { scope, scopeForOwn }: Route): void {
  if (scopeForOwn === undefined || !hasScope(caller, scopeForOwn)) assertScope(caller, scope);
}
