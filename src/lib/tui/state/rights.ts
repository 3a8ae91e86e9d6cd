/**
 * What the operator may do, as far as it can be known here: what would be refused is not offered, and the reason is told in one sentence. The daemon decides;
 * a right that changed meanwhile is refused by it in its own words. The rows agree with the route table (test/contract/tui-rights.test.ts).
 */
import { holdsScope, OPERATOR_ROLES } from '../../base/access.js';
import type { OperatorRole } from '../../base/model.js';
import type { ApprovalView } from '../../base/requests.js';
import { isKnownKind } from '../../cli/approval-report.js';
import type { Effect } from './messages.js';
import type { TuiState } from './state.js';

/** Whose credential it is, and what it was limited to. */
export interface Who {
  readonly operator: string;
  readonly role: OperatorRole;
  /** Null: everything the role allows. */
  readonly scopes: readonly string[] | null;
}

export const ACTIONS = {
  run: { role: 'operator', scope: 'invoke', words: 'Running capabilities' },
  invite: { role: 'approver', scope: 'invites:write', words: 'Inviting machines' },
  remove: { role: 'owner', scope: 'nodes:write', words: 'Removing machines' },
} as const satisfies Record<string, { role: OperatorRole; scope: string; words: string }>;
export type Action = keyof typeof ACTIONS;

/** Lists that a token may be kept from. */
export const SIGHTS = { approvals: 'approvals:read', dispatches: 'dispatches:read' } as const;

const DECIDE = 'approvals:decide';

const isAtLeast = (role: OperatorRole, least: OperatorRole) =>
  OPERATOR_ROLES.indexOf(role) >= OPERATOR_ROLES.indexOf(least);

function holds({ scopes }: Who, scope: string): boolean {
  if (holdsScope(scopes, scope)) return true;
  // Whoever may run one capability may run something.
  return scope === 'invoke' && scopes?.some((held) => held.startsWith('invoke:')) === true;
}

const lacking = (scope: string) => `The token is not allowed to: it lacks the scope ${scope}`;

export function seesWhat(who: Who, what: keyof typeof SIGHTS): boolean {
  return holds(who, SIGHTS[what]);
}

/** Read-only until the end: asked for, or a viewer. */
export function isLockedForGood({ readOnly, who }: Pick<TuiState, 'readOnly' | 'who'>): boolean {
  return readOnly || who.role === 'viewer';
}

export function lockWords({ readOnly, who }: Pick<TuiState, 'readOnly' | 'who'>): string {
  return `Read-only: ${readOnly ? 'it was started with --read-only' : who.role === 'viewer' ? 'you are a viewer here' : 'w unlocks'}`;
}

/** Why it cannot be done; null when it can. */
export function refusalOf(state: Pick<TuiState, 'locked' | 'readOnly' | 'who'>, action: Action): string | null {
  if (state.locked) return lockWords(state);
  const { who } = state;
  const { role, scope, words } = ACTIONS[action];
  if (!isAtLeast(who.role, role)) return `${words} takes the role ${role}; you are ${who.role}`;
  return holds(who, scope) ? null : lacking(scope);
}

/** Why this operator cannot answer a request so; null when they can. The lock is not looked at. */
export function answerRefusal(who: Who, request: ApprovalView, answer: 'approve' | 'reject'): string | null {
  const { operator: named } = request;
  if (!request.answerableHere) return 'It is answered at the machine itself';
  if (!isKnownKind(request.kind)) return 'This version of palyra does not know such requests; a newer one answers them';
  if (!holds(who, DECIDE)) return lacking(DECIDE);
  const isOwn = named !== null && named.toLowerCase() === who.operator.toLowerCase();
  if (request.kind === 'login' && answer === 'approve') {
    if (who.scopes !== null) return 'A token lets nobody log in';
    if (named === null || isOwn || who.role === 'owner') return null;
    return `Only ${named} or the owner approves it`;
  }
  if (request.kind === 'login' && isOwn) return null;
  return isAtLeast(who.role, 'approver') ? null : `This takes the role approver; you are ${who.role}`;
}

export function mayAnswer(who: Who, request: ApprovalView): boolean {
  return answerRefusal(who, request, 'approve') === null || answerRefusal(who, request, 'reject') === null;
}

/** Whom a program is logged in as may be said by the owner, when it does not say so itself. */
export function maySayWhom(who: Who, { kind, operator }: ApprovalView): boolean {
  return kind === 'login' && operator === null && who.role === 'owner' && who.scopes === null;
}

/** Why an effect would be refused; null for what changes nothing too. */
export function refusalOfEffect(state: TuiState, effect: Effect): string | null {
  switch (effect.do) {
    case 'run':
    case 'invite':
    case 'remove':
      return refusalOf(state, effect.do);
    case 'approve':
    case 'reject': {
      if (state.locked) return lockWords(state);
      const request = state.approvals.find(({ id }) => id === effect.id);
      return request === undefined ? null : answerRefusal(state.who, request, effect.do);
    }
    default:
      return null;
  }
}

/** `eva (owner)`; a limited token says that it is one. */
export function whoWords({ operator, role, scopes }: Who): string {
  return `${operator} (${role}${scopes === null ? '' : ', token'})`;
}
