/** Reasons met while a machine joins, and on its link. */
import { reasons } from './reason-row.js';

export const PAIRING_REASONS = reasons({
  RESTORE_NOT_POSSIBLE: {
    code: 'FAILED_PRECONDITION',
    exit: 7,
    title: 'Trust in this machine cannot be given back',
    hint: 'Pair it with a new invite: palyra node pair',
  },
  // Pairing.
  INVITE_REFUSED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'The invite was not accepted: it is unknown, used, revoked or expired',
    hint: 'Get a new one where the daemon is: palyra node pair',
  },
  PAIRING_THROTTLED: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'Too many wrong codes; pairing is paused for a while',
    hint: 'Wait, then use a new invite made after the pause began: palyra node pair',
  },
  PAIRING_BUSY: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 8,
    title: 'Too many machines are asking to join at once',
    hint: 'Try again in a minute',
    retrySafe: true,
  },
  PAIRING_PROOF_INVALID: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'The pairing proof is not valid',
    hint: 'Start again with a new invite; if it happens again somebody may be in between',
  },
  PAIRING_SESSION_UNKNOWN: {
    code: 'NOT_FOUND',
    title: 'This pairing attempt is over',
    hint: 'Start it again: palyra node run <link>',
    retrySafe: true,
  },
  LINK_SESSION_UNKNOWN: {
    code: 'NOT_FOUND',
    title: 'The daemon does not know this session of the node, or knows it no more',
    hint: 'The node begins a new one by itself',
    retrySafe: true,
  },
  PAIRING_REJECTED: {
    code: 'PERMISSION_DENIED',
    exit: 78,
    title: 'The request to join was rejected',
    hint: 'Ask the operator of the daemon',
  },
  PAIRING_EXPIRED: {
    code: 'DEADLINE_EXCEEDED',
    exit: 78,
    title: 'The request to join expired before anybody answered',
    hint: 'Ask again: palyra node run <link>',
  },
  ALREADY_DECIDED: {
    code: 'FAILED_PRECONDITION',
    exit: 7,
    title: 'This request was already answered',
    hint: 'See who answered: palyra approvals show <id>',
  },
  ANSWERED_AT_MACHINE: {
    code: 'FAILED_PRECONDITION',
    exit: 7,
    title: 'Only the person at that machine can answer this',
    hint: 'Answer it there: palyra node approvals list',
  },
  PIN_REQUIRED: {
    code: 'INVALID_ARGUMENT',
    title: 'Approving this request takes the PIN that the machine shows',
    hint: 'Read it on the machine: palyra approvals approve <id> --pin <PIN>',
  },
  PIN_MALFORMED: {
    code: 'INVALID_ARGUMENT',
    title: 'This is not a PIN',
    hint: 'A PIN has six digits, like 482 913; spaces do not matter',
  },
  PIN_WRONG: {
    code: 'PERMISSION_DENIED',
    title: 'This is not the PIN of this request',
    hint: 'Compare it with the screen of the machine; if it says the same there, somebody may be in between: palyra approvals reject <id>',
  },
  CODE_REQUIRED: {
    code: 'INVALID_ARGUMENT',
    title: 'The code of the invite is missing',
    hint: 'Pass it with --code-stdin; a link needs no code, and without any a person can approve: --pin-flow',
  },
  CODE_MALFORMED: {
    code: 'INVALID_ARGUMENT',
    title: 'This is not an invite code',
    hint: 'A code has 12 letters and digits, like K7QF-2M9D-4TXW; spaces, dashes and case do not matter',
  },
  NAME_TAKEN: {
    code: 'ALREADY_EXISTS',
    exit: 78,
    title: 'Another node already has this name',
    hint: 'Choose another with --name, or remove the old node: palyra nodes remove <name>',
  },
  REPLACED_NODE_ONLINE: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The node whose place would be taken is connected',
    hint: 'Stop it first; if it is to be cut off, make the invite anew where the daemon is: palyra node pair --replace <node> --force',
  },
  CLOCK_SKEW: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: "This machine's clock and the daemon's differ too much",
    hint: 'Set the clock, then try again',
  },
  CERTIFICATE_EXPIRED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The certificate of this machine expired too long ago to be renewed',
    hint: 'Pair it with a new invite: palyra node leave, then palyra node run <link>',
  },
  NODE_NOT_PAIRED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'This machine is not paired',
    hint: 'Get a link where the daemon is (palyra node pair), then: palyra node run <link>',
  },
  NODE_ALREADY_PAIRED: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'This machine is already paired to another daemon',
    hint: 'Keep that pairing: palyra node run. For a second one use another PALYRA_HOME',
  },
  NODE_ALREADY_RUNNING: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The node already runs on this machine',
    hint: 'See it: palyra node status',
  },
  NODE_CONFLICT: {
    code: 'FAILED_PRECONDITION',
    exit: 7,
    title: 'Another machine is connected with the identity of this one',
    hint: 'If this machine is a copy: palyra node reset --new-identity, then pair it',
  },
  PROTOCOL_UNSUPPORTED: {
    code: 'UNIMPLEMENTED',
    exit: 11,
    title: 'The two versions cannot talk to each other',
    hint: 'Upgrade the older side',
  },
  MESSAGE_INVALID: {
    code: 'INVALID_ARGUMENT',
    exit: 1,
    title: 'A message does not follow the protocol',
    hint: 'Upgrade the older side',
  },
});
