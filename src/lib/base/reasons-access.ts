/** Reasons about who is asking: sessions, tokens, operators, and the client's trust in the daemon. */
import { reasons } from './reason-row.js';

export const ACCESS_REASONS = reasons({
  UNAUTHENTICATED: {
    code: 'UNAUTHENTICATED',
    title: 'This needs a login',
    hint: 'Log in: palyra login <daemon>; or, on the machine of the daemon, run palyra as the user who started it',
  },
  PERMISSION_DENIED: {
    code: 'PERMISSION_DENIED',
    title: 'This is not allowed for this caller',
    hint: 'Ask the owner of the daemon',
  },
  SCOPE_MISSING: {
    code: 'PERMISSION_DENIED',
    title: 'The token was not given what this needs',
    hint: 'Make one with the scope: palyra tokens create --scope <scope>',
  },
  SESSION_ENDED: {
    code: 'UNAUTHENTICATED',
    title: 'The session is over: logged out, expired or ended by somebody',
    hint: 'Log in again: palyra login <daemon>',
  },
  TOKEN_REFUSED: {
    code: 'UNAUTHENTICATED',
    title: 'The token was not accepted: it is unknown, expired or revoked',
    hint: 'Make another one: palyra tokens create',
  },
  CSRF_REFUSED: {
    code: 'PERMISSION_DENIED',
    title: 'The request does not carry the CSRF token of its session',
    hint: 'Read the session again and send its csrfToken in the header x-palyra-csrf',
  },
  ORIGIN_REFUSED: {
    code: 'PERMISSION_DENIED',
    title: 'The request comes from a web page that is not ours, or names a host that is not',
    hint: 'Open the console under an address that palyra daemon status names',
  },
  LOGIN_REFUSED: {
    code: 'UNAUTHENTICATED',
    title: 'Name and password do not fit',
    hint: 'Check them; or log in with the approval of a person: palyra login <daemon>',
  },
  LOGIN_THROTTLED: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'Too many tries to log in; this one was not looked at',
    hint: 'Wait a minute and try again',
    retrySafe: true,
  },
  LOGIN_UNKNOWN: {
    code: 'NOT_FOUND',
    exit: 4,
    title: 'This login is over: it was used, answered long ago, or never began here',
    hint: 'Start it again: palyra login <daemon>',
  },
  LOGIN_REJECTED: {
    code: 'PERMISSION_DENIED',
    exit: 7,
    title: 'The login was rejected',
    hint: 'Ask the owner of the daemon',
  },
  LOGIN_EXPIRED: {
    code: 'DEADLINE_EXCEEDED',
    exit: 8,
    title: 'Nobody answered the login in time',
    hint: 'Start it again: palyra login <daemon>',
  },
  OPERATOR_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such operator',
    hint: 'See who has an account: palyra operators list',
  },
  OPERATOR_EXISTS: {
    code: 'ALREADY_EXISTS',
    title: 'There is an operator of this name',
    hint: 'Change its role: palyra operators role <name> <role>',
  },
  LAST_OWNER: {
    code: 'FAILED_PRECONDITION',
    title: 'This is the operator that the daemon belongs to; it stays owner',
    hint: 'See who has an account: palyra operators list',
  },
  SESSION_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such session',
    hint: 'See them: palyra whoami --sessions',
  },
  TOKEN_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such token',
    hint: 'See them: palyra tokens list',
  },
  ACCESS_FULL: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'There are as many of these as the daemon keeps',
    hint: 'End some that are not needed: palyra tokens list, palyra operators list',
  },
  CONTRACT_MISMATCH: {
    code: 'FAILED_PRECONDITION',
    exit: 11,
    title: 'This client and the daemon speak different versions of the API',
    hint: 'Upgrade the older one: palyra version, palyra daemon status',
  },
  ANSWER_INVALID: {
    code: 'FAILED_PRECONDITION',
    exit: 5,
    title: 'What answers there is not a palyra daemon',
    hint: 'Check the address, and whether something stands in front of the daemon',
  },
  DAEMON_IDENTITY_CHANGED: {
    code: 'FAILED_PRECONDITION',
    exit: 5,
    title: 'The daemon at this address is not the one this machine logged in to',
    hint: 'Compare palyra daemon status there; if it was set up anew or has replaced its CA: palyra context remove <name>, palyra login <daemon>',
  },
  CONTEXT_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such context',
    hint: 'See them: palyra context list',
  },
});
