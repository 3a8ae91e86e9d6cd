/**
 * Who has an account. The operator that the daemon belongs to is there from the first start: the person who can open the local socket. It is owner for
 * good and can be neither removed nor disabled, so that nobody locks themself out of their own daemon.
 *
 * Always true: names are unique without case; whoever loses a role, a password or the account loses the sessions that rested on it at once.
 */
import type { OperatorRecord, PasswordVerifier } from '../base/access.js';
import { PalyraError } from '../base/errors.js';
import type { Caller, OperatorRole } from '../base/model.js';
import { callerName } from './caller-name.js';
import type { RuntimeCore } from './core.js';
import { endSessions, endTokens } from './credentials.js';
import { shortId } from './short-id.js';
import type { Transaction } from './transaction.js';

/** Of the operator that the daemon belongs to. */
export const OWNER_OPERATOR_ID = 'opr_000000';
/** People and programs of one fleet; far below what costs anything. */
export const MAX_OPERATORS = 1000;

export interface OperatorChange {
  readonly role?: OperatorRole | undefined;
  readonly state?: OperatorRecord['state'] | undefined;
  /** Null takes it away. */
  readonly password?: PasswordVerifier | null | undefined;
}

export class Operators {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Makes the operator that the daemon belongs to, at the first start of a version that has operators. */
  begin(tx: Transaction, ownerName: string): void {
    if (tx.tables.operators.has(OWNER_OPERATOR_ID)) return;
    tx.put('operators', OWNER_OPERATOR_ID, {
      id: OWNER_OPERATOR_ID,
      name: toOperatorName(ownerName),
      role: 'owner',
      state: 'active',
      password: null,
      createdAt: tx.now.wall,
      createdBy: 'daemon',
    });
  }

  /** By name. */
  list(): OperatorRecord[] {
    return [...this.#core.tables.operators.values()].sort((a, b) => (key(a.name) < key(b.name) ? -1 : 1));
  }

  /** By id, or by name without case. Throws OPERATOR_NOT_FOUND. */
  find(nameOrId: string): OperatorRecord {
    const found = this.#core.tables.operators.get(nameOrId) ?? this.named(nameOrId);
    if (found === null) throw new PalyraError('OPERATOR_NOT_FOUND', { detail: nameOrId });
    return found;
  }

  /** By name only, without case. A login goes by this: an id would be a second name with tries of its own. */
  named(name: string): OperatorRecord | null {
    const wanted = key(name);
    return [...this.#core.tables.operators.values()].find((operator) => key(operator.name) === wanted) ?? null;
  }

  /** Throws OPERATOR_EXISTS, REQUEST_INVALID (a name that reads like an id) or ACCESS_FULL. */
  async create(
    caller: Caller,
    o: { readonly name: string; readonly role: OperatorRole; readonly password: PasswordVerifier | null },
  ): Promise<OperatorRecord> {
    const { operators } = this.#core.tables;
    if (key(o.name).startsWith('opr_'))
      throw new PalyraError('REQUEST_INVALID', { detail: 'opr_ begins ids, not names' });
    if (this.named(o.name) !== null) throw new PalyraError('OPERATOR_EXISTS', { detail: o.name });
    if (operators.size >= MAX_OPERATORS) throw new PalyraError('ACCESS_FULL', { detail: `${MAX_OPERATORS} operators` });
    const tx = this.#core.begin();
    const record: OperatorRecord = {
      id: shortId('opr', operators, this.#core.deps.random),
      ...o,
      state: 'active',
      createdAt: tx.now.wall,
      createdBy: callerName(caller),
    };
    tx.put('operators', record.id, record);
    await this.#core.commit(tx);
    return record;
  }

  /**
   * Another role, state or password ends every session, but for the one that asks when only the password changes; disabling ends the tokens too. What a
   * token may do follows the role by itself. Throws OPERATOR_NOT_FOUND or LAST_OWNER.
   */
  async update(
    caller: Caller,
    nameOrId: string,
    change: OperatorChange,
  ): Promise<{ operator: OperatorRecord; changed: boolean }> {
    const before = this.find(nameOrId);
    const role = change.role ?? before.role;
    const state = change.state ?? before.state;
    const password = change.password === undefined ? before.password : change.password;
    if (before.id === OWNER_OPERATOR_ID && (role !== 'owner' || state !== 'active'))
      throw new PalyraError('LAST_OWNER');
    const otherRights = role !== before.role || state !== before.state;
    if (!otherRights && password === before.password) return { operator: before, changed: false };
    const tx = this.#core.begin();
    const operator = tx.set('operators', before.id, { role, state, password });
    const kept = otherRights || caller.kind !== 'operator' ? null : caller.credential;
    endSessions(tx, ({ id, operatorId }) => operatorId === before.id && id !== kept);
    if (state === 'disabled') endTokens(tx, ({ operatorId }) => operatorId === before.id);
    await this.#core.commit(tx);
    return { operator, changed: true };
  }

  /** With every session and token. Throws OPERATOR_NOT_FOUND or LAST_OWNER. */
  async remove(nameOrId: string): Promise<OperatorRecord> {
    const operator = this.find(nameOrId);
    if (operator.id === OWNER_OPERATOR_ID) throw new PalyraError('LAST_OWNER');
    const tx = this.#core.begin();
    tx.drop('operators', operator.id);
    endSessions(tx, ({ operatorId }) => operatorId === operator.id);
    endTokens(tx, ({ operatorId }) => operatorId === operator.id);
    await this.#core.commit(tx);
    return operator;
  }
}

function key(name: string): string {
  return name.toLowerCase();
}

/** The name of an operating system's user in the letters of an operator's name. */
function toOperatorName(text: string): string {
  const name = text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
    .slice(0, 63);
  return name === '' || key(name).startsWith('opr_') ? 'owner' : name;
}
