/** Reasons met when a capability is to run. */
import { reasons } from './reason-row.js';

export const DISPATCH_REASONS = reasons({
  // Dispatch.
  NODE_OFFLINE: {
    code: 'UNAVAILABLE',
    exit: 6,
    title: 'The node is not connected; nothing was sent',
    hint: 'Hold it until the node is back: --queue 1h',
    retrySafe: true,
  },
  NODE_NOT_TRUSTED: {
    code: 'PERMISSION_DENIED',
    exit: 7,
    title: 'Trust in this node was withdrawn; nothing was sent',
    hint: 'Within a day it can be given back: palyra nodes restore <node>',
  },
  CAPABILITY_NOT_GRANTED: {
    code: 'PERMISSION_DENIED',
    exit: 7,
    title: 'The node offers this capability but nobody has granted it',
    hint: 'Grant what waits for an answer: palyra approvals; see what is granted: palyra nodes show <node>',
  },
  QUEUE_FULL: {
    code: 'RESOURCE_EXHAUSTED',
    exit: 6,
    title: 'Too much is waiting for this node; nothing was sent',
    hint: 'Wait for some of it to finish',
    retrySafe: true,
  },
  IDEMPOTENCY_CONFLICT: {
    code: 'ALREADY_EXISTS',
    exit: 2,
    title: 'This idempotency key was used for a different request',
    hint: 'Use a new key for a new request',
  },
  IDEMPOTENCY_ANSWER_GONE: {
    code: 'ALREADY_EXISTS',
    exit: 2,
    title: 'This request was done already, and its answer was not kept over a restart of the daemon',
    hint: 'Look at what is there before asking under a new key; keys of at least 20 characters bring the answer back',
  },
  DISPATCH_SETTLED: {
    code: 'FAILED_PRECONDITION',
    exit: 7,
    title: 'The dispatch is already over',
    hint: 'Its outcome does not change',
  },
  WAIT_TIMED_OUT: {
    code: 'DEADLINE_EXCEEDED',
    exit: 8,
    title: 'Waited long enough; it is still pending',
    hint: 'Wait again with the id that is shown',
    retrySafe: true,
  },
  CAPABILITY_INVALID: {
    code: 'FAILED_PRECONDITION',
    exit: 1,
    title: 'A capability could not be registered',
    hint: 'See the name and the reason; the other capabilities work',
  },
  NO_ONE_CAN_BE_ASKED: {
    code: 'PERMISSION_DENIED',
    exit: 7,
    title: 'This capability asks a person at the machine, and nobody can be asked there',
    hint: 'Run palyra node run in a terminal on that machine',
  },
});
