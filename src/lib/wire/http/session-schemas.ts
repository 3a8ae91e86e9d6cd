/**
 * Schemas of sessions, logins, operators and tokens, in the shape of `schemas.ts`, which spreads them in.
 */
import * as z from 'zod';
import { OPERATOR_ROLES, SCOPES } from '../../base/access.js';

const timestamp = z.iso.datetime();
const none = z.strictObject({});
const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));

/** Names of operators; compared without case. */
export const OPERATOR_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const operatorName = z.string().regex(OPERATOR_NAME);
/** 10 characters at least; more rules make worse passwords. Source: NIST SP 800-63B, section 5.1.1. */
const newPassword = z.string().min(10).max(256);
const role = z.enum(OPERATOR_ROLES);
/** Words of a machine about itself, for people; shown, never trusted. Nothing that moves a cursor or turns the direction of text. */
const word = z
  .string()
  .max(120)
  .regex(/^[^\p{Cc}\p{Cf}]*$/u);

export const scope = z
  .string()
  .max(80)
  .refine(
    (text) => (SCOPES as readonly string[]).includes(text) || /^invoke:[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/.test(text),
    `scopes are ${SCOPES.join(', ')} and invoke:<capability>`,
  );

export const sessionView = z.object({
  id: z.string(),
  kind: z.enum(['browser', 'cli']),
  operator: z.string(),
  role,
  createdAt: timestamp,
  lastUsedAt: timestamp,
  /** When it ends if it is not used until then. */
  idleExpiresAt: timestamp,
  /** When it ends in any case. */
  expiresAt: timestamp,
  address: z.string(),
  client: z.string(),
  by: z.enum(['approval', 'password', 'token']),
  /** Whether it is the one that asks. */
  current: z.boolean(),
});

export const operatorView = z.object({
  id: z.string(),
  name: z.string(),
  role,
  state: z.enum(['active', 'disabled']),
  hasPassword: z.boolean(),
  createdAt: timestamp,
  createdBy: z.string(),
  sessions: z.int(),
  tokens: z.int(),
});

export const tokenView = z.object({
  id: z.string(),
  name: z.string(),
  operator: z.string(),
  scopes: z.array(z.string()),
  createdAt: timestamp,
  createdBy: z.string(),
  expiresAt: timestamp,
  lastUsedAt: timestamp.nullable(),
  state: z.enum(['active', 'expired']),
});

/** Who is asking. */
export const whoAmI = z.object({
  operator: z.string(),
  role,
  /** `socket`: whoever can open the local socket is the owner. */
  credential: z.enum(['socket', 'session', 'token']),
  /** Null: everything the role allows. */
  scopes: z.array(z.string()).nullable(),
  session: sessionView.nullable(),
  /** To be sent with every mutation of a session; null for other credentials. */
  csrfToken: z.string().nullable(),
  daemon: z.object({ name: z.string(), version: z.string(), caFingerprint: z.string(), contract: z.int() }),
});

export const SESSION_SCHEMAS = {
  'session.login': {
    query: none,
    /** With `operator` and `password`, or with `token`. */
    body: z.union([
      z.strictObject({
        operator: operatorName,
        password: z.string().min(1).max(256),
        kind: z.enum(['browser', 'cli']).default('browser'),
        client: word.default(''),
      }),
      z.strictObject({
        token: z.string().min(1).max(200),
        kind: z.enum(['browser', 'cli']).default('browser'),
        client: word.default(''),
      }),
    ]),
    answer: whoAmI,
  },
  'session.show': { query: none, body: none, answer: whoAmI },
  'session.logout': { query: none, body: none, answer: z.object({ changed: z.boolean() }) },
  'sessions.list': { query: none, body: none, answer: z.object({ sessions: z.array(sessionView) }) },
  'sessions.revoke': { query: none, body: none, answer: z.object({ changed: z.boolean() }) },
  'sessions.revokeAll': {
    query: none,
    /** Another operator's name: owner only. */
    body: z.strictObject({ operator: operatorName.optional() }),
    answer: z.object({ revoked: z.int() }),
  },
  'logins.begin': {
    query: none,
    body: z.strictObject({
      /** SHA-256 of the secret that will claim the session; hex. It takes the place of the node's key in the PIN (`base/pairing-pin.ts`). */
      claimHash: hex(32),
      /** Whom to log in as; without it, whoever approves decides. */
      operator: operatorName.optional(),
      client: z.strictObject({ hostname: word, platform: word, arch: word, version: word }),
    }),
    answer: z.object({
      /** `lgn_` and an unguessable rest. */
      loginId: z.string(),
      /** SHA-256 commitment to the daemon's nonce; hex. */
      commitment: hex(32),
    }),
  },
  'logins.confirm': {
    query: none,
    body: z.strictObject({ nonce: hex(32) }),
    answer: z.object({
      /** Of the request in the approvals queue: `req_` and six characters. */
      requestId: z.string(),
      daemonNonce: hex(32),
      expiresAt: timestamp,
    }),
  },
  'logins.claim': {
    query: none,
    body: z.strictObject({ secret: hex(32), waitMs: z.int().min(0).max(60_000).default(0) }),
    /** Refused and expired logins are errors. */
    answer: z.object({ state: z.enum(['pending', 'approved']), who: whoAmI.nullable() }),
  },
  'operators.list': { query: none, body: none, answer: z.object({ operators: z.array(operatorView) }) },
  'operators.create': {
    query: none,
    body: z.strictObject({ name: operatorName, role: role.default('viewer'), password: newPassword.optional() }),
    answer: z.object({ operator: operatorView }),
  },
  'operators.update': {
    query: none,
    body: z.strictObject({
      role: role.optional(),
      state: z.enum(['active', 'disabled']).optional(),
      /** Null takes it away. */
      password: newPassword.nullable().optional(),
    }),
    answer: z.object({ operator: operatorView, changed: z.boolean() }),
  },
  'operators.remove': { query: none, body: none, answer: z.object({ operator: operatorView, changed: z.boolean() }) },
  'tokens.list': { query: none, body: none, answer: z.object({ tokens: z.array(tokenView) }) },
  'tokens.create': {
    query: none,
    body: z.strictObject({
      name: word.min(1).max(63),
      scopes: z.array(scope).min(1).max(64),
      /** A minute to a year; default 30 days. */
      expiresInMs: z.int().min(60_000).max(31_536_000_000).default(2_592_000_000),
      /** For another operator: owner only. */
      operator: operatorName.optional(),
    }),
    answer: z.object({ token: tokenView.extend({ secret: z.string() }) }),
  },
  'tokens.revoke': { query: none, body: none, answer: z.object({ token: tokenView, changed: z.boolean() }) },
} as const;
