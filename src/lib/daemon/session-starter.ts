/** What approvals and logins need of whoever keeps operators and sessions. A port: the approvals queue knows no cookies and no passwords. */
import type { Caller } from '../base/model.js';
import type { RouteAnswer } from '../wire/http/schemas.js';

export interface OperatorAccount {
  readonly id: string;
  readonly name: string;
  readonly state: 'active' | 'disabled';
}

export interface Accounts {
  /** The operator behind a caller; the local socket is the operator that the daemon belongs to. Throws UNAUTHENTICATED for who is none. */
  operatorOf(caller: Caller): OperatorAccount;
  /** By id, or by name without case. Throws OPERATOR_NOT_FOUND. */
  findOperator(nameOrId: string): OperatorAccount;
}

export interface StartedSession {
  /** Value of the Set-Cookie header. */
  readonly setCookie: string;
  readonly who: RouteAnswer<'session.show'>;
}

export interface SessionStarter {
  /** A session of an approved login; durable when it resolves. Throws OPERATOR_NOT_FOUND (gone or disabled since) or ACCESS_FULL. */
  startSession(o: {
    readonly operatorId: string;
    readonly address: string;
    /** What logged in, such as `palyra 0.1.0 on laptop`. */
    readonly client: string;
  }): Promise<StartedSession>;
}
