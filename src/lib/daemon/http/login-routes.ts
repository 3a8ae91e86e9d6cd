/**
 * Handlers of logins that a person approves. Only over the public TLS port: the PIN is a function of its certificate, and elsewhere there is none to compare.
 */
import { toTimestamp } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import { startSession } from './access-routes.js';
import type { HandlerDeps, Handlers } from './handlers.js';
import type { Entry } from './router.js';

type LoginRoute = 'logins.begin' | 'logins.confirm' | 'logins.claim';

export function loginHandlers(deps: HandlerDeps): Pick<Handlers, LoginRoute> {
  const { loginQueue } = deps;
  return {
    'logins.begin': async ({ body, listener, address, unchanged }) => {
      assertTls(listener);
      const begun = loginQueue.begin({ ...body, operator: body.operator ?? null, address });
      unchanged();
      return begun;
    },
    'logins.confirm': async ({ param, body, listener, address, note, begin }) => {
      assertTls(listener);
      const known = { loginId: param('id'), nonce: body.nonce, address, onKnown: begin };
      const { login, daemonNonce } = await loginQueue.confirm(known);
      note({ request: login.id, name: login.client.hostname });
      if (login.operator !== null) note({ operator: login.operator });
      return { requestId: login.id, daemonNonce, expiresAt: toTimestamp(login.expiresAt) ?? '' };
    },
    'logins.claim': async (request) => {
      const { param, body, listener, signal, note, begin, unchanged } = request;
      assertTls(listener);
      const granted = await loginQueue.claim({
        loginId: param('id'),
        ...body,
        signal,
        onApproved: async ({ requestId, operatorId, name }) => {
          note({ request: requestId, operator: operatorId, name });
          await begin();
        },
      });
      if (granted === null) {
        unchanged();
        return { state: 'pending' as const, who: null };
      }
      const { operatorId, client, name } = granted;
      const session = { operatorId, client, kind: 'cli', by: 'approval', tokenId: null } as const;
      const who = await startSession(deps, request, session).catch((error: unknown) => {
        if (PalyraError.from(error).reason !== 'OPERATOR_NOT_FOUND') throw error;
        throw new PalyraError('LOGIN_REJECTED', { detail: `${name} has no account any more` });
      });
      return { state: 'approved' as const, who };
    },
  };
}

function assertTls(listener: Entry['listener']): void {
  if (listener === 'public') return;
  throw new PalyraError('REQUEST_INVALID', {
    detail: 'a login that a person approves goes over HTTPS: the PIN is drawn from the certificate of its connection',
    hint: 'Use the public address that palyra daemon status names',
  });
}
