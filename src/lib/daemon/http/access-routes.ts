/**
 * Handlers of sessions, operators and tokens. What belongs to somebody else is not there: only the owner sees and ends what is not theirs. Whoever comes with
 * a token sees the sessions that began with that token, not those of the person behind it.
 */
import type { OperatorRecord, SessionKind, SessionRecord, TokenRecord } from '../../base/access.js';
import { PalyraError } from '../../base/errors.js';
import type { Caller } from '../../base/model.js';
import { toTimestamp } from '../../base/clock.js';
import { CONTRACT } from '../../wire/http/routes.js';
import type { JsonRouteId, RouteAnswer } from '../../wire/http/schemas.js';
import type { SESSION_SCHEMAS } from '../../wire/http/session-schemas.js';
import type { NodeRuntime } from '../../runtime/runtime.js';
import { formatToken } from '../login-desk.js';
import type { HandlerDeps, Handlers, RouteRequest } from './handlers.js';
import { clearSessionCookie, csrfTokenOf, setSessionCookie } from './session-cookie.js';

type LoginRoute = 'logins.begin' | 'logins.confirm' | 'logins.claim';
type AccessRoute = Exclude<keyof typeof SESSION_SCHEMAS, LoginRoute>;
type WhoAmI = RouteAnswer<'session.show'>;
type Deps = Pick<HandlerDeps, 'runtime' | 'clock' | 'config' | 'ca'>;

export function accessHandlers(deps: HandlerDeps): Pick<Handlers, AccessRoute> {
  const { runtime, logins } = deps;
  const { access } = runtime;
  return {
    'session.login': async (request) => {
      const { body, address, note } = request;
      if ('token' in body) {
        const token = await logins.byToken({ token: body.token, address });
        note({ operator: token.operatorId, token: token.id });
        const { id: tokenId, operatorId } = token;
        return startSession(deps, request, { ...body, operatorId, by: 'token', tokenId });
      }
      const operator = await logins.byPassword({ ...body, address });
      note({ operator: operator.id, name: operator.name });
      return startSession(deps, request, { ...body, operatorId: operator.id, by: 'password', tokenId: null });
    },
    'session.show': async (request) => whoAmI(deps, request),
    'session.logout': async ({ credential, setHeader, note }) => {
      if (credential.kind !== 'session') return { changed: false };
      note({ session: credential.id });
      setHeader('set-cookie', clearSessionCookie());
      return { changed: (await access.sessions.end(({ id }) => id === credential.id)) > 0 };
    },

    'sessions.list': async ({ caller, credential }) => {
      const mine = ownership(runtime, caller);
      const currentId = credential.kind === 'session' ? credential.id : null;
      const sessions = access.sessions.list().filter((session) => mine.session(session));
      return { sessions: sessions.map((session) => access.sessions.view(session, currentId)) };
    },
    'sessions.revoke': async ({ caller, param, note }) => {
      const session = access.sessions.find(param('id'));
      if (session === null || !ownership(runtime, caller).session(session)) {
        throw new PalyraError('SESSION_NOT_FOUND', { detail: param('id') });
      }
      note({ session: session.id, operator: session.operatorId });
      return { changed: (await access.sessions.end(({ id }) => id === session.id)) > 0 };
    },
    'sessions.revokeAll': async ({ caller, body, note }) => {
      const mine = ownership(runtime, caller);
      const operator = body.operator === undefined ? access.operatorOf(caller) : mine.operator(body.operator);
      note({ operator: operator.id, name: operator.name });
      const ends = (session: SessionRecord) => session.operatorId === operator.id && mine.session(session);
      return { revoked: await access.sessions.end(ends) };
    },

    'operators.list': async () => ({ operators: access.operators.list().map((operator) => toView(runtime, operator)) }),
    'operators.create': async ({ caller, body, note }) => {
      const { name, role, password } = body;
      note({ name, role, password: password === undefined ? 'none' : 'set' });
      const verifier = password === undefined ? null : await logins.passwords.toVerifier(password);
      const operator = await access.operators.create(caller, { name, role, password: verifier });
      note({ operator: operator.id });
      return { operator: toView(runtime, operator) };
    },
    'operators.update': async ({ caller, param, body, note }) => {
      const { role, state, password } = body;
      const before = access.findOperator(param('operator'));
      note({ operator: before.id, name: before.name, ...(role && { role }), ...(state && { state }) });
      if (password !== undefined) note({ password: password === null ? 'removed' : 'set' });
      const verifier = typeof password === 'string' ? await logins.passwords.toVerifier(password) : password;
      const { operator, changed } = await access.operators.update(caller, before.id, {
        role,
        state,
        password: verifier,
      });
      return { operator: toView(runtime, operator), changed };
    },
    'operators.remove': async ({ param, note }) => {
      const before = access.findOperator(param('operator'));
      note({ operator: before.id, name: before.name });
      const operator = toView(runtime, before);
      await access.operators.remove(before.id);
      return { operator, changed: true };
    },

    'tokens.list': async ({ caller }) => {
      const mine = ownership(runtime, caller);
      const tokens = access.tokens.list().filter((token) => mine.token(token));
      return { tokens: tokens.map((token) => access.tokens.view(token)) };
    },
    'tokens.create': async ({ caller, body, note }) => {
      const { operator: name, scopes, ...rest } = body;
      const operator = name === undefined ? access.operatorOf(caller) : ownership(runtime, caller).operator(name);
      note({ operator: operator.id, tokenName: body.name, scopes: scopes.join(' ') });
      // The schema has checked the words.
      const granted = scopes as TokenRecord['scopes'];
      const { token, secret } = await access.tokens.create(caller, {
        ...rest,
        scopes: granted,
        operatorId: operator.id,
      });
      note({ token: token.id, expiresAt: toTimestamp(token.expiresAt) ?? '' });
      return { token: { ...access.tokens.view(token), secret: formatToken(token.id, secret) } };
    },
    'tokens.revoke': async ({ caller, param, note }) => {
      const token = access.tokens.find(param('id'));
      if (token === null || !ownership(runtime, caller).token(token)) {
        throw new PalyraError('TOKEN_NOT_FOUND', { detail: param('id') });
      }
      const view = access.tokens.view(token);
      note({ token: token.id, operator: token.operatorId });
      return { token: view, changed: await access.tokens.end(token.id) };
    },
  };
}

export interface StartedSession {
  readonly operatorId: string;
  readonly kind: SessionKind;
  readonly by: SessionRecord['by'];
  readonly tokenId: string | null;
  readonly client: string;
}

/** Begins a session in place of the one whose cookie came along, sets its cookie on the answer and says who it is. Throws what `Sessions.open` throws. */
export async function startSession(
  deps: Deps,
  request: Pick<RouteRequest<JsonRouteId>, 'address' | 'replaces' | 'setHeader' | 'note' | 'begin'>,
  o: StartedSession,
): Promise<WhoAmI> {
  const { access } = deps.runtime;
  const { operatorId, kind, by, tokenId, client } = o;
  const { address, replaces } = request;
  await request.begin();
  const { secret, session } = await access.openSession({ operatorId, kind, by, tokenId, client, address, replaces });
  request.note({ session: session.id, kind });
  const maxAgeMs = session.expiresAt - session.createdAt;
  request.setHeader('set-cookie', setSessionCookie({ id: session.id, maxAgeMs }, secret));
  const view = access.sessions.view(session, session.id);
  return {
    ...identityOf(deps),
    ...{ operator: view.operator, role: view.role, credential: 'session', session: view },
    scopes: tokenId === null ? null : [...(access.tokens.find(tokenId)?.scopes ?? [])],
    csrfToken: csrfTokenOf(secret),
  };
}

function whoAmI(
  deps: Deps,
  { caller, credential }: Pick<RouteRequest<'session.show'>, 'caller' | 'credential'>,
): WhoAmI {
  const { access } = deps.runtime;
  const operator = access.operatorOf(caller);
  const session = credential.kind === 'session' ? access.sessions.find(credential.id) : null;
  return {
    ...identityOf(deps),
    operator: operator.name,
    role: caller.kind === 'operator' ? caller.role : operator.role,
    credential: credential.kind === 'none' ? 'socket' : credential.kind,
    scopes: caller.kind === 'operator' && caller.scopes ? [...caller.scopes] : null,
    session: session === null ? null : access.sessions.view(session, session.id),
    csrfToken: credential.kind === 'session' ? credential.csrfToken : null,
  };
}

function identityOf({ config, ca }: Deps): Pick<WhoAmI, 'daemon'> {
  const caFingerprint = `sha256:${ca().fingerprint}`;
  return { daemon: { name: config.daemonName, version: config.version, caFingerprint, contract: CONTRACT } };
}

/** What a caller may see and end. */
function ownership(runtime: NodeRuntime, caller: Caller) {
  const { access } = runtime;
  const self = access.operatorOf(caller);
  const isOwner = caller.kind === 'owner' || (caller.kind === 'operator' && caller.role === 'owner');
  const credential = caller.kind === 'operator' ? (caller.credential ?? '') : '';
  const limited = caller.kind === 'operator' && (caller.scopes ?? null) !== null;
  const tokenId = access.sessions.find(credential)?.tokenId ?? credential;
  return {
    session: (session: SessionRecord) =>
      limited ? session.tokenId === tokenId : isOwner || session.operatorId === self.id,
    token: (token: TokenRecord) => isOwner || token.operatorId === self.id,
    /** Throws OPERATOR_NOT_FOUND, also for a name that is there but is not one's own to name. */
    operator: (nameOrId: string): OperatorRecord => {
      if (isOwner) return access.findOperator(nameOrId);
      if (self.name.toLowerCase() === nameOrId.toLowerCase()) return self;
      throw new PalyraError('OPERATOR_NOT_FOUND', { detail: nameOrId });
    },
  };
}

function toView(runtime: NodeRuntime, operator: OperatorRecord): RouteAnswer<'operators.list'>['operators'][number] {
  const { access } = runtime;
  const { id, name, role, state, createdAt, createdBy } = operator;
  const own = ({ operatorId }: { readonly operatorId: string }) => operatorId === id;
  return {
    ...{ id, name, role, state, hasPassword: operator.password !== null },
    ...{ createdAt: toTimestamp(createdAt) ?? '', createdBy },
    sessions: access.sessions.list().filter(own).length,
    tokens: access.tokens.list().filter(own).length,
  };
}
