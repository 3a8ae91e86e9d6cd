/**
 * Handlers of sessions, operators and tokens.
 */
import { PalyraError } from '../../base/errors.js';
import type { SESSION_SCHEMAS } from '../../wire/http/session-schemas.js';
import type { Handlers } from './handlers.js';

type LoginRoute = 'logins.begin' | 'logins.confirm' | 'logins.claim';
type AccessRoute = Exclude<keyof typeof SESSION_SCHEMAS, LoginRoute>;

const notHere = async (): Promise<never> => {
  throw new PalyraError('ROUTE_NOT_FOUND');
};

export function accessHandlers(): Pick<Handlers, AccessRoute> {
  return {
    'session.login': notHere,
    'session.show': notHere,
    'session.logout': notHere,
    'sessions.list': notHere,
    'sessions.revoke': notHere,
    'sessions.revokeAll': notHere,
    'operators.list': notHere,
    'operators.create': notHere,
    'operators.update': notHere,
    'operators.remove': notHere,
    'tokens.list': notHere,
    'tokens.create': notHere,
    'tokens.revoke': notHere,
  };
}
