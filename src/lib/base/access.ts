/**
 * Nouns of who may do what: operators, their sessions and tokens, and the login that waits for a person.
 *
 * Records hold no secret: of a password a scrypt verifier, of session and token secrets SHA-256, which is enough for 256 random bits.
 */
import type { OperatorRole } from './model.js';

/** Lowest first; each includes those before it. */
export const OPERATOR_ROLES = ['viewer', 'operator', 'approver', 'owner'] as const satisfies readonly OperatorRole[];

/** The one that may do less. */
export function lowerRole(a: OperatorRole, b: OperatorRole): OperatorRole {
  return OPERATOR_ROLES.indexOf(a) < OPERATOR_ROLES.indexOf(b) ? a : b;
}

/** Whether a grant holds what is asked for. `invoke` holds every `invoke:<capability>`. Null grants everything. */
export function holdsScope(granted: readonly string[] | null, asked: string): boolean {
  if (granted === null) return true;
  return granted.includes(asked) || (asked.startsWith('invoke:') && granted.includes('invoke'));
}

/**
 * What a token may be limited to. A route names the one it needs. `invoke:<capability>` is `invoke` for that capability alone.
 * `session` is everybody's own session and needs no grant. `operators:write` and `approvals:decide` are worth what the role allows: who sets a password or
 * answers a login can be whoever it is for.
 */
export const SCOPES = [
  'daemon:read',
  'daemon:write',
  'nodes:read',
  'nodes:write',
  'invoke',
  'dispatches:read',
  'dispatches:write',
  'invites:read',
  'invites:write',
  'approvals:read',
  'approvals:decide',
  'audit:read',
  'events:read',
  'metrics:read',
  'operators:read',
  'operators:write',
  'tokens:read',
  'tokens:write',
] as const;
export type Scope = (typeof SCOPES)[number];
/** A scope, or `invoke:<capability>`. */
export type GrantedScope = Scope | `invoke:${string}`;

/** scrypt, RFC 7914; parameters beside the hash, so that they can grow. Hex. */
export interface PasswordVerifier {
  readonly algorithm: 'scrypt';
  readonly n: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly hash: string;
}

export interface OperatorRecord {
  /** `opr_` and six Crockford characters. */
  readonly id: string;
  /** Unique, compared without case. Letters, digits, dot, dash, underscore; 1 to 63. */
  readonly name: string;
  readonly role: OperatorRole;
  readonly state: 'active' | 'disabled';
  /** Null: this operator logs in by approval only. */
  readonly password: PasswordVerifier | null;
  readonly createdAt: number;
  readonly createdBy: string;
}

/** `browser` is short-lived; `cli` lasts as long as a person would expect of a terminal. */
export type SessionKind = 'browser' | 'cli';

export interface SessionRecord {
  /** `ses_` and ten Crockford characters; public. */
  readonly id: string;
  readonly kind: SessionKind;
  readonly operatorId: string;
  /** SHA-256 of the secret in the cookie; hex. */
  readonly secretHash: string;
  readonly createdAt: number;
  /** Written when it is a good deal newer than what is stored, not per request. */
  readonly lastUsedAt: number;
  /** Absolute end. */
  readonly expiresAt: number;
  readonly address: string;
  /** What logged in, such as `palyra 0.1.0 on laptop`; from the client, for people to tell sessions apart. */
  readonly client: string;
  /** How it began. */
  readonly by: 'approval' | 'password' | 'token';
  /** Set for a session that began with a token: it can do no more than the token, and ends with it. */
  readonly tokenId: string | null;
}

export interface TokenRecord {
  /** `tok_` and ten Crockford characters; public. */
  readonly id: string;
  readonly name: string;
  readonly operatorId: string;
  /** SHA-256 of the secret; hex. */
  readonly secretHash: string;
  readonly scopes: readonly GrantedScope[];
  /** The role of whoever made it: it acts with the lower one of this and its operator's present role. */
  readonly maxRole: OperatorRole;
  readonly createdAt: number;
  readonly createdBy: string;
  /** At most a year after `createdAt`. */
  readonly expiresAt: number;
  readonly lastUsedAt: number | null;
}
