/**
 * The tables behind every error. A *reason* is ours, stable for ever, and grows; it selects a *code*, one of the canonical gRPC codes, a closed set. The code
 * gives the gRPC status, the HTTP status and the default exit code; a reason may override the exit code with another of the documented table
 * (`palyra help exit-codes`). `docs/errors.md` is generated from here. Titles and hints may be reworded, names never.
 */
import { reasons } from './reason-row.js';
import type { ReasonRow } from './reason-row.js';
import { ACCESS_REASONS } from './reasons-access.js';
import { DAEMON_REASONS } from './reasons-daemon.js';
import { DISPATCH_REASONS } from './reasons-dispatch.js';
import { PAIRING_REASONS } from './reasons-pairing.js';
import { PLUGIN_REASONS } from './reasons-plugins.js';
import { PROXY_REASONS } from './reasons-proxy.js';
import { QUIC_REASONS } from './reasons-quic.js';
import { SERVICE_REASONS } from './reasons-service.js';

export { CODES } from './reason-row.js';
export type { Code } from './reason-row.js';

const COMMON_REASONS = reasons({
  // What the person typed.
  USAGE_INVALID: {
    code: 'INVALID_ARGUMENT',
    title: 'The command line is not valid',
    hint: 'See the help of this command: add --help',
  },
  COMMAND_UNKNOWN: {
    code: 'INVALID_ARGUMENT',
    exit: 127,
    title: 'There is no such command',
    hint: 'List the commands: palyra help',
  },
  CONFIRMATION_REQUIRED: {
    code: 'INVALID_ARGUMENT',
    title: 'This needs a confirmation and nobody can be asked here',
    hint: 'Add --yes',
  },
  TERMINAL_REQUIRED: {
    code: 'INVALID_ARGUMENT',
    title: 'palyra tui needs a terminal',
    hint: 'For scripts: palyra nodes list --watch [--json]',
  },
  LINK_MALFORMED: {
    code: 'INVALID_ARGUMENT',
    title: 'This is not an invite link',
    hint: 'A link looks like https://HOST:PORT/j/CODE-FINGERPRINT; copy it whole from: palyra node pair',
  },
  INPUT_INVALID: {
    code: 'INVALID_ARGUMENT',
    title: 'The input does not fit what the capability accepts',
    hint: 'See the input schema: palyra nodes show <node> --json',
  },
  INPUT_TOO_LARGE: {
    code: 'INVALID_ARGUMENT',
    title: 'The input is too large',
    hint: 'Pass a reference to the data instead of the data; the limit is 512 KiB of JSON',
  },
  REQUEST_INVALID: {
    code: 'INVALID_ARGUMENT',
    title: 'The request is not valid',
    hint: 'Compare the request with the schemas in docs/schemas',
  },
  // What was looked for.
  NODE_NOT_FOUND: { code: 'NOT_FOUND', title: 'There is no such node', hint: 'List the nodes: palyra nodes list' },
  NODE_AMBIGUOUS: {
    code: 'NOT_FOUND',
    title: 'More than one node matches',
    hint: 'Use the full name or a longer part of the id',
  },
  INVITE_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such invite',
    hint: 'List the invites: palyra invites list',
  },
  APPROVAL_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such request',
    hint: 'It may have been withdrawn or have expired; let the machine ask again',
  },
  DISPATCH_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such dispatch',
    hint: 'Settled dispatches are kept for 24 h; check the id',
  },
  SCHEMA_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such schema',
    hint: 'List the schemas: palyra schema --list',
  },
  CAPABILITY_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'This capability is not offered',
    hint: 'See what it offers: palyra nodes show <node>',
  },
  ROUTE_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is nothing at this address',
    hint: 'Check the path and the method',
  },
  // Who is asking.
  DEVICE_MISMATCH: {
    code: 'PERMISSION_DENIED',
    title: 'The message names another device than its certificate',
    hint: 'Pair this machine again: palyra node run <link>',
  },
  CERTIFICATE_REVOKED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'This machine is no longer paired',
    hint: 'Pair it again with a new invite: palyra node run <link>',
  },
  NODE_REVOKED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'This machine was removed from the daemon',
    hint: 'Pair it again with a new invite: palyra node run <link>',
  },
  // Anything else.
  MESSAGE_TOO_LARGE: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 2,
    title: 'The message is too large',
    hint: 'The limit is 1 MiB',
  },
  RATE_LIMITED: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'Too many requests',
    hint: 'Wait a little, then try again',
    retrySafe: true,
  },
  NODE_CUT_OFF: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'The daemon refused this node too often and does not let it in for a minute',
    hint: 'The node waits and comes back by itself; when it happens again, look in its log for what was refused, and use the same version on both sides',
    retrySafe: true,
  },
  CANCELLED: { code: 'CANCELLED', title: 'Cancelled', hint: 'Nothing else was changed' },
  INTERNAL: {
    code: 'INTERNAL',
    title: 'Something unexpected went wrong',
    hint: 'Run it again with -v for the details; the daemon keeps its own log: palyra daemon logs',
  },
});

const TABLE = {
  ...COMMON_REASONS,
  ...ACCESS_REASONS,
  ...DAEMON_REASONS,
  ...PAIRING_REASONS,
  ...DISPATCH_REASONS,
  ...QUIC_REASONS,
  ...PROXY_REASONS,
  ...SERVICE_REASONS,
  ...PLUGIN_REASONS,
};

/** Every reason palyra can give. Names are stable for ever; titles and hints may be reworded. */
export const REASONS: { readonly [R in keyof typeof TABLE]: ReasonRow } = TABLE;

export type Reason = keyof typeof REASONS;

export function isReason(value: string): value is Reason {
  return Object.hasOwn(REASONS, value);
}
