/**
 * Handlers of logins that a person approves. Only over the public TLS port: the PIN is a function of its certificate, and elsewhere there is none to compare.
 */
import { toTimestamp } from '../../base/clock.js';
import { PalyraError } from '../../base/errors.js';
import type { LoginQueue } from '../login-queue.js';
import type { Handlers, RequestOrigin } from './handlers.js';

type LoginRoute = 'logins.begin' | 'logins.confirm' | 'logins.claim';

export function loginHandlers(desk: LoginQueue): Pick<Handlers, LoginRoute> {
  return {
    'logins.begin': async ({ body, origin, unchanged }) => {
      const { address } = overTls(origin);
      const begun = desk.begin({ ...body, operator: body.operator ?? null, address });
      unchanged();
      return begun;
    },
    'logins.confirm': async ({ param, body, origin, note }) => {
      const { address } = overTls(origin);
      const { login, daemonNonce } = await desk.confirm({ loginId: param('id'), nonce: body.nonce, address });
      note({
        request: login.id,
        name: login.client.hostname,
        ...(login.operator === null ? {} : { operator: login.operator }),
      });
      return { requestId: login.id, daemonNonce, expiresAt: toTimestamp(login.expiresAt) ?? '' };
    },
    'logins.claim': async ({ param, body, origin, signal, note, begin, unchanged, setCookie }) => {
      const { address } = overTls(origin);
      const started = await desk.claim({
        ...{ loginId: param('id'), ...body, address, signal },
        onApproved: async (login) => {
          note({ request: login.id, operator: login.grantedTo?.name ?? '' });
          await begin();
        },
      });
      if (started === null) {
        unchanged();
        return { state: 'pending' as const, who: null };
      }
      setCookie(started.setCookie);
      return { state: 'approved' as const, who: started.who };
    },
  };
}

function overTls(origin: RequestOrigin): RequestOrigin {
  if (origin.listener === 'public') return origin;
  throw new PalyraError('REQUEST_INVALID', {
    detail: 'a login that a person approves goes over HTTPS: the PIN is drawn from the certificate of its connection',
    hint: 'Use the public address that palyra daemon status names',
  });
}
